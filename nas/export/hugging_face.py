"""A folder that AutoModelForCausalLM and AutoTokenizer load, written without transformers.

config.json, generation_config.json    the class and its hyperparameters
model.safetensors                      the weights in fp32 under the class's names
tokenizer.json, tokenizer_config.json
README.md                              the model card
codenas.json                           how the export was made; it marks a folder written by codenas
"""

from __future__ import annotations

from pathlib import Path

from nas import __version__
from nas.architecture.transformers_class import TransformersClass, transformers_class
from nas.errors import UsageError
from nas.export.agreement import Agreement, check_agreement
from nas.export.class_config import class_config
from nas.export.class_weights import class_weights
from nas.export.model_card import model_card
from nas.export.run_facts import RunFacts
from nas.export.tokenizer_files import tokenizer_config, tokenizer_json
from nas.inference.language_model import LanguageModel
from nas.system.files import atomic_folder, write_json, write_text
from nas.training.weights import write_tensors

MARKER_FILE = "codenas.json"


def export_folder(
    language_model: LanguageModel, facts: RunFacts, folder: Path, command: str
) -> tuple[TransformersClass, Agreement]:
    """Write `folder` if it gives the logits of the checkpoint; else write nothing.

    Raises ArchitectureError when no class represents the model, UsageError when the folder has other files, and
    ExportError when the logits differ.
    """
    config, vocabulary = language_model.model.config, language_model.vocabulary
    chosen = transformers_class(config)
    check_target(folder)
    tokenizer = tokenizer_json(vocabulary)
    with atomic_folder(folder) as temporary:
        write_json(temporary / "config.json", class_config(config, chosen, vocabulary.eot_id))
        eot_id = vocabulary.eot_id
        ids = {"bos_token_id": eot_id, "eos_token_id": eot_id, "pad_token_id": eot_id}
        write_json(temporary / "generation_config.json", ids)
        write_tensors(class_weights(language_model.model, chosen), {}, temporary / "model.safetensors")
        write_json(temporary / "tokenizer.json", tokenizer)
        write_json(temporary / "tokenizer_config.json", tokenizer_config(vocabulary, config.max_seq_length))
        write_text(temporary / "README.md", model_card(language_model, facts, chosen.name, folder, command))
        agreement = check_agreement(language_model, temporary, chosen.name)
        provenance = {
            "codenas": __version__,
            "command": command,
            "class": chosen.name,
            "architecture": config.model_dump(mode="json"),
            "largest_difference": agreement.difference,
        }
        write_json(temporary / MARKER_FILE, provenance)
    return chosen, agreement


def check_target(folder: Path) -> None:
    """Raise UsageError unless `folder` is free, empty, or an export by codenas, which may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; give a folder")
    if folder.resolve() == Path.cwd():
        raise UsageError(f"--out {folder} is the current folder, which an export would replace; give another folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER_FILE).is_file():
        raise UsageError(f"--out {folder} has other files than an export by codenas; give a new folder")
