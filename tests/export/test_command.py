from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.export.__main__ import main
from nas.inference.language_model import LanguageModel
from tests.export.test_run_facts import write_run
from tests.helpers.checkpoints import language_model, write_checkpoint
from tests.helpers.study_commands import Ran, ran

Exported = Callable[..., Ran]


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str]) -> Exported:
    return lambda *argv: ran(main, "nas.export", [str(word) for word in argv], capsys)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder of an architecture that both formats represent."""
    write_checkpoint(tmp_path / "mine", activation="swiglu")
    write_run(tmp_path / "mine", "0" * 64)
    return tmp_path / "mine"


def lines_of(done: Ran) -> dict[str, str]:
    return dict(line.split(None, 1) for line in done.out.splitlines())


def test_a_run_folder_becomes_a_folder_in_it(export: Exported, run: Path) -> None:
    done = export(run, "--to", "hf")
    assert (done.code, done.err) == (0, "")
    lines = lines_of(done)
    assert list(lines) == ["architecture", "class", "checked", "files", "out", "next"]
    assert lines["architecture"] == "L2 H32 V400 swiglu x2.5 rmsnorm rope 4 heads"
    assert lines["class"] == "LlamaForCausalLM"
    assert lines["checked"].startswith("largest difference of logits ")
    assert lines["out"] == str(run / "hf")
    assert lines["files"] == ", ".join(sorted(path.name for path in (run / "hf").iterdir()))
    assert lines["next"] == f"python -m nas.audit {run / 'hf'}"
    card = (run / "hf" / "README.md").read_text()
    assert f"\npython -m nas.export {run} --to hf\n" in card
    assert "| validation | 2.0000 | 2.2500 |  |  |" in card


def test_a_run_folder_becomes_a_file_of_its_name_in_it(export: Exported, run: Path) -> None:
    done = export(run, "--to", "gguf", "--dtype", "f16")
    assert (done.code, done.err) == (0, "")
    lines = lines_of(done)
    assert (lines["class"], lines["files"], lines["out"]) == ("llama, f16", "mine.gguf", str(run / "mine.gguf"))
    assert (run / "mine.gguf").read_bytes()[:4] == b"GGUF"


def test_a_weights_file_is_exported_with_the_tokenizer_in_its_folder(
    export: Exported, run: Path, tmp_path: Path
) -> None:
    (run / "best.safetensors").rename(run / "other.safetensors")
    done = export(run / "other.safetensors", "--to", "hf", "--out", tmp_path / "there", "--json")
    facts = json.loads(done.out)
    assert (done.code, facts["out"], facts["class"]) == (0, str(tmp_path / "there"), "LlamaForCausalLM")
    assert facts["largest_difference"] < 1e-5
    assert "## Results" not in (tmp_path / "there" / "README.md").read_text()


def test_without_transformers_a_folder_is_written_and_not_checked(
    export: Exported, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    done = export(run, "--to", "hf")
    assert done.code == 0
    assert lines_of(done)["checked"].startswith("not checked: ")
    made = json.loads((run / "hf" / "codenas.json").read_text())
    assert made["largest_difference"] is None
    monkeypatch.undo()
    assert export(run, "--to", "hf").code == 0
    assert json.loads((run / "hf" / "codenas.json").read_text())["largest_difference"] < 1e-5


def test_writing_a_folder_imports_neither_transformers_nor_gguf(run: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules |= {'transformers': None, 'gguf': None}\n"
        "from nas import cli\nfrom nas.export import __main__ as export\n"
        f"cli.run(lambda: export.main([{str(run)!r}, '--to', 'hf', '--json']), 'nas.export')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (run / "hf" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{run}"], 2, "the following arguments are required: --to"),
        (["{run}", "--to", "onnx"], 2, "argument --to: invalid choice: 'onnx'"),
        (["{run}", "--to", "hf", "--dtype", "f16"], 2, "--dtype needs --to gguf"),
        (["{run}", "--to", "gguf", "--dtype", "q4"], 2, "argument --dtype: invalid choice: 'q4'"),
        (["{run}/nothing", "--to", "hf"], 1, "cannot read checkpoint"),
        (["{run}", "--to", "hf", "--out", "{run}"], 2, "has other files than an export by codenas"),
        (["{run}", "--to", "hf", "--out", "{run}/log.jsonl"], 2, "is a file; give a folder"),
        (["{run}", "--to", "gguf", "--out", "{run}/log.jsonl"], 2, "exists and was not written by codenas"),
        (["{run}", "--to", "gguf", "--out", "{run}"], 2, "is a folder; give a file"),
        (["{run}", "--to", "hf", "--out", "{run}/log.jsonl/below"], 1, "check the path and its permissions"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_writes_nothing(export: Exported, run: Path, arguments: list[str], code: int, message: str) -> None:
    before = sorted(path.name for path in run.iterdir())
    done = export(*(argument.format(run=run) for argument in arguments))
    assert done.code == code
    assert message in done.error
    assert sorted(path.name for path in run.iterdir()) == before


def test_an_architecture_without_a_class_is_refused_with_an_alternative(export: Exported, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "mine", position_encoding="alibi")
    done = export(tmp_path / "mine", "--to", "hf")
    assert done.code == 2
    assert "gelu rmsnorm alibi" in done.error and "position_encoding rope" in done.error
    assert not (tmp_path / "mine" / "hf").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("weights", "cannot read checkpoint"),
        ("no weights", "cannot read checkpoint"),
        ("tokenizer", "is damaged or not a tokenizer"),
        ("no tokenizer", "cannot read tokenizer"),
        ("size", "has a vocabulary of 400, its tokenizer one of 300"),
    ],
)
def test_a_damaged_checkpoint_has_exit_code_1(export: Exported, run: Path, damage: str, message: str) -> None:
    weights, tokenizer = run / "best.safetensors", run / "tokenizer.json"
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "tokenizer":
        tokenizer.write_text(tokenizer.read_text()[:-100])
    elif damage == "size":
        from tests.helpers.checkpoints import vocabulary

        vocabulary(300).save(tokenizer)
    else:
        (tokenizer if "tokenizer" in damage else weights).unlink()
    for form in ("hf", "gguf"):
        done = export(run, "--to", form)
        assert done.code == 1
        assert message in done.error
    assert not (run / "hf").exists()


def test_a_folder_that_cannot_be_written_has_exit_code_1(export: Exported, run: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write everywhere")
    for form, out in (("hf", locked / "hf"), ("gguf", locked / "x.gguf")):
        done = export(run, "--to", form, "--out", out)
        assert done.code == 1
        assert "Permission denied" in done.error


@pytest.mark.parametrize("form", ["hf", "gguf"])
def test_a_full_disk_is_one_line_and_leaves_nothing(run: Path, form: str) -> None:
    """Simulate a full disk by a limit on the size of files."""
    code = (
        "import resource, signal\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (16384, {resource.RLIM_INFINITY}))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from nas import cli\nfrom nas.export import __main__ as export\n"
        f"cli.run(lambda: export.main([{str(run)!r}, '--to', {form!r}]), 'nas.export')\n"
    )
    before = sorted(path.name for path in run.iterdir())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "free some space" in done.stderr
    assert sorted(path.name for path in run.iterdir()) == before


def test_the_exported_folder_is_the_checkpoint(export: Exported, run: Path) -> None:
    """Read the folder back with the audit, which opens folders of transformers."""
    from nas.audit.opened_model import open_path

    assert export(run, "--to", "hf").code == 0
    opened, ours = open_path(run / "hf"), language_model(activation="swiglu")
    assert opened.model.vocab_size == 400
    assert opened.encode is not None
    text = "def f():\n\treturn '<|endoftext|> Ā'\n"
    assert opened.encode([text]).tolist() == [*ours.vocabulary.encode(text), 0]
    assert isinstance(LanguageModel.load(run), LanguageModel)
