from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from nas.errors import ArchitectureError, CheckpointError, ExportError, UsageError
from nas.export import hugging_face
from nas.export.agreement import Agreement
from nas.export.hugging_face import MARKER_FILE, export_folder
from nas.export.run_facts import RunFacts
from nas.inference.language_model import LanguageModel
from tests.helpers.checkpoints import BY_CLASS, SEQ_LENGTH, greedy_ids, language_model, random_ids
from tests.helpers.exported_models import generated_ids, logit_difference, open_model, open_tokenizer

FILES = {
    *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("README.md", MARKER_FILE),
}
PROMPTS = ("def f(x):\n", "import os\r\n\t", "é")


def export(model: LanguageModel, folder: Path, command: str = "python -m nas.export x --to hf") -> Agreement:
    return export_folder(model, RunFacts(Path("runs/mine/best.safetensors")), folder, command)[1]


@pytest.mark.parametrize("name", BY_CLASS)
def test_a_folder_is_loaded_with_our_logits_and_writes_what_we_write(name: str, tmp_path: Path) -> None:
    ours = language_model(**BY_CLASS[name])
    agreement = export(ours, tmp_path / "hf")
    assert {path.name for path in (tmp_path / "hf").iterdir()} == FILES
    theirs, tokenizer = open_model(tmp_path / "hf"), open_tokenizer(tmp_path / "hf")
    assert type(theirs).__name__ == name
    assert logit_difference(ours.model, theirs, random_ids(ours.model.config)) < 1e-5
    assert agreement.difference is not None and agreement.difference < 1e-5
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        assert generated_ids(theirs, ids, 20) == greedy_ids(ours, prompt, 20) != []


def test_a_tied_head_is_written_once_and_stays_tied(tmp_path: Path) -> None:
    names = {}
    for tied in (False, True):
        export(language_model(activation="swiglu", tie_embeddings=tied), tmp_path / str(tied))
        with safe_open(tmp_path / str(tied) / "model.safetensors", framework="pt") as stored:
            names[tied] = set(stored.keys())
            assert stored.metadata()["format"] == "pt"
    assert names[False] - names[True] == {"lm_head.weight"}
    theirs = open_model(tmp_path / "True")
    assert theirs.lm_head.weight is theirs.model.embed_tokens.weight


def test_the_configuration_is_for_older_readers_too(tmp_path: Path) -> None:
    export(language_model(activation="swiglu"), tmp_path / "hf")
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 10_000
    assert config["dtype"] == config["torch_dtype"] == "float32"
    assert (config["rms_norm_eps"], config["max_position_embeddings"]) == (1e-5, SEQ_LENGTH)
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (0, 0, None)
    generation = json.loads((tmp_path / "hf" / "generation_config.json").read_text())
    assert generation == {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}


def test_an_architecture_without_a_class_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match="no class of transformers represents gelu rmsnorm alibi exactly"):
        export(language_model(position_encoding="alibi"), tmp_path / "hf")
    assert list(tmp_path.iterdir()) == []


def test_an_export_of_ours_is_replaced(tmp_path: Path) -> None:
    export(language_model(activation="swiglu"), tmp_path / "hf")
    (tmp_path / "hf" / "stale.txt").write_text("")
    export(language_model(activation="gelu"), tmp_path / "hf")
    assert {path.name for path in (tmp_path / "hf").iterdir()} == FILES
    assert json.loads((tmp_path / "hf" / MARKER_FILE).read_text())["class"] == "ArceeForCausalLM"
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_a_folder_of_others_is_left_alone_and_an_empty_one_filled(tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    export(language_model(), tmp_path / "hf")
    (tmp_path / "hf" / MARKER_FILE).unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "hf").iterdir()}
    with pytest.raises(UsageError, match="has other files than an export by codenas"):
        export(language_model(activation="swiglu"), tmp_path / "hf")
    assert {path.name: path.read_bytes() for path in (tmp_path / "hf").iterdir()} == before


def test_neither_a_file_nor_the_current_folder_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file; give a folder"):
        export(language_model(), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is the current folder"):
        export(language_model(), Path())


@pytest.mark.parametrize("error", [ExportError("other logits"), CheckpointError("full disk"), KeyboardInterrupt()])
def test_a_failed_export_leaves_the_old_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    export(language_model(), tmp_path / "hf")
    before = {path.name: path.read_bytes() for path in (tmp_path / "hf").iterdir()}

    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(hugging_face, "check_agreement", fail)
    with pytest.raises(type(error)):
        export(language_model(activation="swiglu"), tmp_path / "hf")
    assert {path.name: path.read_bytes() for path in (tmp_path / "hf").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_the_code_of_the_model_card_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(language_model(activation="swiglu"), tmp_path / "it's")
    card = (tmp_path / "it's" / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", card, flags=re.MULTILINE | re.DOTALL)
    exec(compile(code, "card", "exec"), {})
    assert capsys.readouterr().out.startswith("def read_config(path):\n")
