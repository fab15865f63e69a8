from __future__ import annotations

import json
from pathlib import Path

import pytest
from study.commands import Ran, ran
from trial.tiny import tiny

from nas.audit import main
from nas.data import PreparedData
from nas.model import Decoder
from nas.trial.language_model import BEST_WEIGHTS, TOKENIZER_FILE
from nas.trial.weights import save_weights

FACTORIES = """
from trial.audit.mutants import LEAKING, Plain

def whole():
    return Plain()

def leaking():
    return LEAKING["mask off by one"]

def nothing():
    return 5
"""


@pytest.fixture
def audited(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    (tmp_path / "factories_under_audit.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda *argv: ran(main, "nas.audit", [str(one) for one in argv], capsys)


SHAPE = ("--vocab-size", "48", "--seq-len", "64")


def test_a_model_of_anyone_passes_or_is_caught(audited: object) -> None:
    whole: Ran = audited("--model", "factories_under_audit:whole", *SHAPE)  # type: ignore[operator]
    assert whole.code == 0
    assert "no leak found; not checked: cache" in whole.out
    leaking: Ran = audited("--model", "factories_under_audit:leaking", *SHAPE, "--json")  # type: ignore[operator]
    assert leaking.code == 1
    verdicts = {one["check"]: one["verdict"] for one in json.loads(leaking.out)["findings"]}
    assert [check for check, verdict in verdicts.items() if verdict == "leak"] == [
        "future tokens", "gradients", "probabilities",
    ]  # fmt: skip
    assert verdicts["copied text"] == "not checked"


def test_an_arch_json_is_audited_with_fresh_weights(audited: object, tmp_path: Path) -> None:
    path = tmp_path / "arch.json"
    path.write_text(tiny(vocab_size=64).model_dump_json())
    found: Ran = audited(path)  # type: ignore[operator]
    assert found.code == 0
    assert "ok          cache" in found.out
    assert "ok          first loss" in found.out


def test_a_checkpoint_is_judged_on_text(
    audited: object, tmp_path: Path, data: PreparedData, corpus_folder: Path
) -> None:
    save_weights(Decoder(tiny(vocab_size=512), seed=0), tmp_path / BEST_WEIGHTS)
    data.vocabulary("bpe-512").save(tmp_path / TOKENIZER_FILE)
    found: Ran = audited(tmp_path, "--corpus", corpus_folder, "--json")  # type: ignore[operator]
    assert found.code in (0, 1)
    by_check = {one["check"]: one for one in json.loads(found.out)["findings"]}
    assert by_check["first loss"]["verdict"] == "not checked"
    # It has learnt nothing, and the audit says so.
    assert by_check["plausibility"]["verdict"] == "warning"
    assert "validation documents" in by_check["copied text"]["did"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "either a PATH or --model"),
        (["arch.json", "--model", "a:b"], "not both"),
        (["--model", "factories_under_audit:whole"], "needs --vocab-size and --seq-len"),
        (["--model", "factories_under_audit:absent", *SHAPE], "cannot be imported"),
        (["--model", "no_such_module:whole", *SHAPE], "cannot be imported"),
        (["--model", "factories_under_audit", *SHAPE], "cannot be imported"),
        (["--model", "factories_under_audit:nothing", *SHAPE], "must return a torch.nn.Module, found int"),
        (["no/such/place"], "nothing at no/such/place"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(audited: object, argv: list[str], message: str) -> None:
    found: Ran = audited(*argv)  # type: ignore[operator]
    assert found.code == 2
    assert message in found.error
