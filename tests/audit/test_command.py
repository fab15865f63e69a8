from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.audit.__main__ import main
from nas.audit.text_checks import TEXT_BYTES
from nas.data.prepared import PreparedData
from nas.inference.language_model import BEST_WEIGHTS, TOKENIZER_FILE
from nas.model import Decoder
from nas.training.trainer import Trainer
from nas.training.weights import save_weights
from tests.helpers.study_commands import Ran, ran
from tests.helpers.tiny_models import NUMERICS, recipe, tiny

FACTORIES = """
from tests.helpers.leaky_models import LEAKY, NanModel, PlainModel

def causal():
    return PlainModel()

def leaking():
    return LEAKY["mask off by one"]

def diverged():
    return NanModel()

def nothing():
    return 5
"""

Audited = Callable[..., Ran]


@pytest.fixture
def audited(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audited:
    (tmp_path / "factories_under_audit.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda *argv: ran(main, "nas.audit", [str(argument) for argument in argv], capsys)


SHAPE = ("--vocab-size", "48", "--seq-len", "64")


def test_any_model_passes_or_is_caught(audited: Audited) -> None:
    whole: Ran = audited("--model", "factories_under_audit:causal", *SHAPE)
    assert whole.code == 0
    assert "no leak found; not checked: cache" in whole.out
    leaking: Ran = audited("--model", "factories_under_audit:leaking", *SHAPE, "--json")
    assert leaking.code == 1
    outcomes = {finding["check"]: finding["outcome"] for finding in json.loads(leaking.out)["findings"]}
    assert [check for check, outcome in outcomes.items() if outcome == "leak"] == [
        "future tokens", "gradients", "probabilities",
    ]  # fmt: skip
    assert outcomes["copied text"] == "not checked"


def test_every_finding_is_printed_with_its_method_figure_and_outcome(audited: Audited) -> None:
    argv = ("--model", "factories_under_audit:leaking", *SHAPE, "--train")
    printed: Ran = audited(*argv)
    findings = json.loads(audited(*argv, "--json").out)["findings"]
    assert {finding["outcome"] for finding in findings} == {"leak", "warning", "not checked"}
    for finding in findings:
        sign = {"leak": "LEAK", "warning": "warning", "not checked": "not checked"}[finding["outcome"]]
        head = f"\n{sign:<11} {finding['check']}: "
        if finding["outcome"] == "not checked":
            assert f"{head}{finding['advice']}\n" in printed.out
        else:
            lines = "".join(f"            {line}\n" for line in (finding["method"], finding["advice"]))
            assert f"{head}{finding['figure']}\n{lines}" in printed.out
    assert printed.out.endswith(
        "\nleaks found by: future tokens, gradients, probabilities, learning noise; "
        "not checked: cache, target shifts, plausibility, copied text\n"
    )


def test_where_nothing_could_be_checked_the_exit_code_is_2(audited: Audited) -> None:
    result: Ran = audited("--model", "factories_under_audit:diverged", *SHAPE)
    assert result.code == 2
    assert result.out.endswith("\nnothing could be checked\n")
    assert result.out.count("not checked ") == 8
    assert result.err == ""


def test_an_arch_json_is_audited_with_fresh_weights(audited: Audited, tmp_path: Path) -> None:
    path = tmp_path / "arch.json"
    path.write_text(tiny(vocab_size=64).model_dump_json())
    result: Ran = audited(path)
    assert result.code == 0
    assert "ok          cache" in result.out
    assert "ok          first loss" in result.out
    assert "bits per token, a guess costs 6.00" in result.out


@pytest.fixture
def exported(tmp_path: Path, data: PreparedData) -> Path:
    """Write an arch JSON as a search exports it, with its tokenizer in a folder next to it."""
    (tmp_path / "tokenizers").mkdir()
    data.vocabulary("bpe-512").save(tmp_path / "tokenizers" / "bpe-512.json")
    path = tmp_path / "arch.json"
    architecture = tiny(vocab_size=512).model_dump(mode="json")
    path.write_text(json.dumps({"architecture": architecture, "tokenizer": "tokenizers/bpe-512.json"}))
    return path


def test_the_first_loss_of_an_exported_architecture_is_in_bits_per_byte_of_the_corpus(
    audited: Audited, exported: Path, data: PreparedData, corpus_folder: Path
) -> None:
    result: Ran = audited(exported, "--corpus", corpus_folder, "--json")
    assert result.code == 0
    by_check = {finding["check"]: finding for finding in json.loads(result.out)["findings"]}
    documents = data.evaluation_documents("validation", TEXT_BYTES)
    num_bytes = sum(len(document.encode()) + 1 for document in documents)
    num_tokens = sum(len(data.vocabulary("bpe-512").encode(document)) + 1 for document in documents)
    guess = math.log2(512) * num_tokens / num_bytes
    assert by_check["first loss"]["outcome"] == "passed"
    assert f"bits per byte, a guess costs {guess:.2f} " in by_check["first loss"]["figure"]
    assert by_check["copied text"]["advice"] == "the model is not trained"


def test_without_a_corpus_or_a_tokenizer_the_first_loss_is_in_bits_per_token(
    audited: Audited, exported: Path, corpus_folder: Path
) -> None:
    assert "bits per token, a guess costs 9.00" in audited(exported).out
    (exported.parent / "tokenizers" / "bpe-512.json").unlink()
    assert "bits per token, a guess costs 9.00" in audited(exported, "--corpus", corpus_folder).out


def test_a_tokenizer_of_another_size_is_refused_in_one_line(
    audited: Audited, exported: Path, data: PreparedData
) -> None:
    data.vocabulary("bytes").save(exported.parent / "tokenizers" / "bpe-512.json")
    result: Ran = audited(exported)
    assert result.code == 1
    assert "a vocabulary of 512, its tokenizer" in result.error


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, data: PreparedData) -> Path:
    """Return a folder with the best weights of a short training and their tokenizer, as nas.train leaves them."""
    folder = tmp_path_factory.mktemp("checkpoint")
    plan = recipe(num_steps=150, batch_size=16, seq_length=32)
    training = Trainer(Decoder(tiny(), seed=0), data.tokens("bytes", "train"), plan, NUMERICS)
    training.advance(plan.num_steps)
    save_weights(training.model, folder / BEST_WEIGHTS)
    data.vocabulary("bytes").save(folder / TOKENIZER_FILE)
    return folder


def test_a_checkpoint_is_checked_on_text(audited: Audited, checkpoint: Path, corpus_folder: Path) -> None:
    result: Ran = audited(checkpoint, "--corpus", corpus_folder, "--json")
    assert result.code == 0
    by_check = {finding["check"]: finding for finding in json.loads(result.out)["findings"]}
    assert by_check["first loss"]["outcome"] == "not checked"
    assert by_check["target shifts"]["outcome"] == "passed"
    # It has learned less than a compressor.
    assert by_check["plausibility"]["outcome"] == "warning"
    assert by_check["copied text"]["outcome"] == "passed"
    assert "validation documents" in by_check["copied text"]["method"]


def test_validation_text_that_is_in_the_training_text_is_a_leak(
    audited: Audited, checkpoint: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    """Check a corpus with a near-copy of each file, by a recipe that lets the split separate the pairs."""
    for path in corpus_folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
        (tmp_path / f"copy_of_{path.name}").write_text(re.sub(r"\breturn\b", "give", text), encoding="utf-8")
    recipe = tmp_path / "careless.toml"
    careless = "[cleaning]\nnear_duplicates = 1\n[split]\ncluster_similarity = 1\ncopied_share = 1\n"
    recipe.write_text(f'[[sources]]\nfolder = "."\n{careless}')
    result: Ran = audited(checkpoint, "--corpus", recipe, "--json")
    assert result.code == 1
    by_check = {finding["check"]: finding for finding in json.loads(result.out)["findings"]}
    assert [check for check, finding in by_check.items() if finding["outcome"] == "leak"] == ["copied text"]
    assert "remove copies before the split" in by_check["copied text"]["advice"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "either a PATH or --model"),
        (["arch.json", "--model", "a:b"], "not both"),
        (["arch.json", "--vocab-size", "48"], "--vocab-size and --seq-len are for --model; arch.json"),
        (["arch.json", "--seq-len", "64"], "arch.json has its own"),
        (["--model", "factories_under_audit:causal"], "needs --vocab-size and --seq-len"),
        (["--model", "factories_under_audit:absent", *SHAPE], "cannot be imported"),
        (["--model", "no_such_module:whole", *SHAPE], "cannot be imported"),
        (["--model", "factories_under_audit", *SHAPE], "cannot be imported"),
        (["--model", "factories_under_audit:nothing", *SHAPE], "must return a torch.nn.Module, found int"),
        (["no/such/place"], "nothing at no/such/place"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(audited: Audited, argv: list[str], message: str) -> None:
    result: Ran = audited(*argv)
    assert result.code == 2
    assert message in result.error
