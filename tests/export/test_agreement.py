from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import transformers

from nas.errors import ExportError
from nas.export.agreement import MAX_DIFFERENCE, agreement
from nas.export.hugging_face import export_folder
from nas.export.run_facts import RunFacts
from nas.inference.language_model import LanguageModel
from tests.helpers.checkpoints import disturbed, language_model, vocabulary


@pytest.fixture(scope="module")
def ours() -> LanguageModel:
    return language_model(activation="swiglu")


@pytest.fixture(scope="module")
def folder(ours: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "hf"
    export_folder(ours, RunFacts(Path("x/best.safetensors")), made, "")
    return made


def changed(ours: LanguageModel, by: float) -> LanguageModel:
    """With one number of the last norm changed."""
    model = disturbed(ours.model.config)
    with torch.no_grad():
        model.get_parameter("norm.weight")[0] += by
    return LanguageModel(model, ours.vocabulary)


def test_our_own_logits_agree(ours: LanguageModel, folder: Path) -> None:
    found = agreement(ours, folder, "LlamaForCausalLM")
    assert found.difference is not None and 0 <= found.difference < 1e-5
    assert found.num_tokens == ours.model.config.max_seq_length
    assert found.as_text().startswith("largest difference of logits ") and found.as_text().endswith("over 48 tokens")


def test_one_number_of_another_model_is_seen(ours: LanguageModel, folder: Path) -> None:
    with pytest.raises(ExportError, match=r"LlamaForCausalLM gives other logits than ours, by up to .*e-0[1-3]"):
        agreement(changed(ours, 0.01), folder, "LlamaForCausalLM")


def test_what_is_not_a_number_does_not_agree(ours: LanguageModel, folder: Path) -> None:
    with pytest.raises(ExportError, match="by up to nan"):
        agreement(changed(ours, float("nan")), folder, "LlamaForCausalLM")


def test_other_ids_do_not_agree(ours: LanguageModel, folder: Path) -> None:
    with pytest.raises(ExportError, match="AutoTokenizer gives other ids than ours"):
        agreement(LanguageModel(ours.model, vocabulary(300)), folder, "LlamaForCausalLM")


def test_what_cannot_be_opened_is_one_line(ours: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"transformers [0-9.]+ cannot open the export \(") as caught:
        agreement(ours, tmp_path, "LlamaForCausalLM")
    assert "\n" not in str(caught.value)


def test_without_a_library_it_is_said_and_not_checked(
    ours: LanguageModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = agreement(ours, folder, "NoSuchForCausalLM")
    assert old.as_text() == (
        f"not checked: transformers {transformers.__version__} has no NoSuchForCausalLM; take a newer one"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    without = agreement(ours, folder, "LlamaForCausalLM", gguf_file="x.gguf")
    assert without.as_text() == "not checked: transformers opens GGUF files with accelerate; pip install accelerate"
    monkeypatch.setitem(sys.modules, "transformers", None)
    missing = agreement(ours, folder, "LlamaForCausalLM")
    assert missing.difference is None
    assert missing.as_text() == "not checked: transformers is not there; pip install 'codenas[transformers]'"


def test_the_limit_is_the_one_that_the_issue_of_equal_logits_sets() -> None:
    assert MAX_DIFFERENCE == 1e-4
