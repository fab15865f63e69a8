"""A folder that AutoModelForCausalLM and AutoTokenizer load. Written without transformers.

config.json, generation_config.json    the class and its numbers
model.safetensors                      the weights in fp32 under the class's names
tokenizer.json, tokenizer_config.json
README.md                              the model card
codenas.json                           what it was made from; that it is there means that we wrote the folder
"""

from __future__ import annotations

from pathlib import Path

from nas import __version__
from nas.architecture.transformers_class import TransformersClass, transformers_class
from nas.errors import UsageError
from nas.export.agreement import Agreement, agreement
from nas.export.class_config import class_config
from nas.export.class_weights import class_weights
from nas.export.model_card import model_card
from nas.export.run_facts import RunFacts
from nas.export.tokenizer_files import tokenizer_config, tokenizer_json
from nas.inference.language_model import LanguageModel
from nas.system.files import atomic_folder, write_json, write_text
from nas.training.weights import write_tensors

MARK = "codenas.json"


def export_folder(
    language_model: LanguageModel, facts: RunFacts, folder: Path, command: str
) -> tuple[TransformersClass, Agreement]:
    """Write `folder` whole, after its logits were found equal to ours, or not at all.

    ArchitectureError when no class represents the model, UsageError when the folder holds something else,
    ExportError when its logits are not ours.
    """
    config, vocabulary = language_model.model.config, language_model.vocabulary
    chosen = transformers_class(config)
    check_target(folder)
    tokenizer = tokenizer_json(vocabulary)
    with atomic_folder(folder) as inside:
        write_json(inside / "config.json", class_config(config, chosen, vocabulary.eot_id))
        eot_id = vocabulary.eot_id
        ids = {"bos_token_id": eot_id, "eos_token_id": eot_id, "pad_token_id": eot_id}
        write_json(inside / "generation_config.json", ids)
        write_tensors(class_weights(language_model.model, chosen), {}, inside / "model.safetensors")
        write_json(inside / "tokenizer.json", tokenizer)
        write_json(inside / "tokenizer_config.json", tokenizer_config(vocabulary, config.max_seq_length))
        write_text(inside / "README.md", model_card(language_model, facts, chosen.name, folder, command))
        agreed = agreement(language_model, inside, chosen.name)
        made = {
            "codenas": __version__,
            "command": command,
            "class": chosen.name,
            "architecture": config.model_dump(mode="json"),
            "largest_difference": agreed.difference,
        }
        write_json(inside / MARK, made)
    return chosen, agreed


def check_target(folder: Path) -> None:
    """UsageError unless `folder` is not there, empty, or an export of ours, which may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; give a folder")
    if folder.resolve() == Path.cwd():
        raise UsageError(f"--out {folder} is the current folder, which an export would replace; give one of its own")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(f"--out {folder} holds other files than an export of ours; give a new folder")
