"""Check of an export: transformers opens the files and must give the logits and token ids of the checkpoint."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.errors import ExportError
from nas.inference.language_model import LanguageModel

MAX_DIFFERENCE = 1e-4
"""Maximum difference of two logits in fp32; beyond it the export is a different model."""
_ADVICE = "so nothing was written; this is a defect of codenas, please report it"
_TEXT = 'def mean(values: list[float]) -> float:\n\t"""é, 語, \U0001f600"""\n    return sum(values) / len(values)\r\n\n'


@dataclass(frozen=True)
class Agreement:
    """The largest difference of logits over a short text, or the reason why it was not measured."""

    difference: float | None
    num_tokens: int = 0
    reason: str = ""

    def as_text(self) -> str:
        """Return the result in words."""
        if self.difference is None:
            return f"not checked: {self.reason}"
        return f"largest difference of logits {self.difference:.0e} over {self.num_tokens} tokens"


def check_agreement(
    language_model: LanguageModel, folder: Path, class_name: str, gguf_file: str | None = None
) -> Agreement:
    """Compare the logits and token ids of `folder`, or of a GGUF file in it, with those of the checkpoint.

    Raises ExportError when they differ or transformers cannot open the files.
    """
    try:
        import transformers
    except ImportError:
        return Agreement(None, reason="transformers is not installed; pip install 'codenas[transformers]'")
    if not hasattr(transformers, class_name):
        return Agreement(
            None, reason=f"transformers {transformers.__version__} has no {class_name}; install a newer version"
        )
    if gguf_file and importlib.util.find_spec("accelerate") is None:
        return Agreement(None, reason="transformers needs accelerate to open GGUF files; pip install accelerate")
    model, vocabulary = language_model.model, language_model.vocabulary
    ids = vocabulary.encode(_TEXT)
    try:
        with _silent(transformers):
            exported, exported_ids = _open(transformers, folder, gguf_file)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"transformers {transformers.__version__} cannot open the export ({reason})") from None
    if exported_ids != ids:
        raise ExportError(f"AutoTokenizer gives other token ids than the checkpoint, {_ADVICE}")
    ids = ids[: model.config.max_seq_length]
    with torch.inference_mode():
        batch = torch.tensor([ids])
        difference = float((exported(batch).logits - model(batch)).abs().max())
    if not difference <= MAX_DIFFERENCE:
        raise ExportError(f"{class_name} gives other logits than the checkpoint, by up to {difference:.0e}, {_ADVICE}")
    return Agreement(difference, len(ids))


def _open(transformers: Any, folder: Path, gguf_file: str | None) -> tuple[Any, list[int]]:
    """Return the exported model and the token ids of the text."""
    options = {"local_files_only": True} | ({"gguf_file": gguf_file} if gguf_file else {})
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()
    return model, transformers.AutoTokenizer.from_pretrained(folder, **options)(_TEXT)["input_ids"]


@contextmanager
def _silent(transformers: Any) -> Iterator[None]:
    """Silence progress bars and warnings of transformers; errors are still raised."""
    logging = transformers.utils.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
