from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import transformers

from nas.errors import ExportError
from nas.export.agreement import MAX_DIFFERENCE, check_agreement
from nas.export.hugging_face import export_folder
from nas.export.run_facts import RunFacts
from nas.inference.language_model import LanguageModel
from tests.helpers.checkpoints import language_model, perturbed_decoder, vocabulary


@pytest.fixture(scope="module")
def ours() -> LanguageModel:
    return language_model(activation="swiglu")


@pytest.fixture(scope="module")
def folder(ours: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "hf"
    export_folder(ours, RunFacts(Path("x/best.safetensors")), made, "")
    return made


def changed(ours: LanguageModel, by: float) -> LanguageModel:
    """Return a copy with one number of the last norm changed."""
    model = perturbed_decoder(ours.model.config)
    with torch.no_grad():
        model.get_parameter("norm.weight")[0] += by
    return LanguageModel(model, ours.vocabulary)


def test_our_own_logits_agree(ours: LanguageModel, folder: Path) -> None:
    agreement = check_agreement(ours, folder, "LlamaForCausalLM")
    assert agreement.difference is not None and 0 <= agreement.difference < 1e-5
    assert agreement.num_tokens == ours.model.config.max_seq_length
    assert agreement.as_text().startswith("largest difference of logits ") and agreement.as_text().endswith(
        "over 48 tokens"
    )


def test_one_number_of_another_model_is_seen(ours: LanguageModel, folder: Path) -> None:
    with pytest.raises(ExportError, match=r"LlamaForCausalLM gives other logits .* by up to .*e-0[1-3]"):
        check_agreement(changed(ours, 0.01), folder, "LlamaForCausalLM")


def test_nan_does_not_agree(ours: LanguageModel, folder: Path) -> None:
    with pytest.raises(ExportError, match="by up to nan"):
        check_agreement(changed(ours, float("nan")), folder, "LlamaForCausalLM")


def test_other_ids_do_not_agree(ours: LanguageModel, folder: Path) -> None:
    with pytest.raises(ExportError, match="AutoTokenizer gives other token ids"):
        check_agreement(LanguageModel(ours.model, vocabulary(300)), folder, "LlamaForCausalLM")


def test_files_that_transformers_cannot_open_are_one_line(ours: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"transformers [0-9.]+ cannot open the export \(") as caught:
        check_agreement(ours, tmp_path, "LlamaForCausalLM")
    assert "\n" not in str(caught.value)


def test_without_a_library_the_export_is_not_checked_and_the_summary_says_why(
    ours: LanguageModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = check_agreement(ours, folder, "NoSuchForCausalLM")
    assert old.as_text().startswith(f"not checked: transformers {transformers.__version__} has no NoSuchForCausalLM; ")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    without = check_agreement(ours, folder, "LlamaForCausalLM", gguf_file="x.gguf")
    assert without.as_text().startswith("not checked: ") and "pip install accelerate" in without.as_text()
    monkeypatch.setitem(sys.modules, "transformers", None)
    missing = check_agreement(ours, folder, "LlamaForCausalLM")
    assert missing.difference is None
    assert missing.as_text().startswith("not checked: ") and "codenas[transformers]" in missing.as_text()


def test_the_maximum_difference_is_the_documented_one() -> None:
    assert MAX_DIFFERENCE == 1e-4
