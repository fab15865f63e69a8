"""Whether what was written for others gives our logits: it is opened again by transformers and asked.

B batch (one), T time, V vocab.
"""

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
"""Of two logits in fp32; more is another model."""
_ADVICE = "so nothing was written: this is a defect of ours, please report it"
_TEXT = 'def mean(values: list[float]) -> float:\n\t"""é, 語, \U0001f600"""\n    return sum(values) / len(values)\r\n\n'


@dataclass(frozen=True)
class Agreement:
    """The largest difference of logits over a short text, or why it is not known."""

    difference: float | None
    num_tokens: int = 0
    reason: str = ""

    def as_text(self) -> str:
        if self.difference is None:
            return f"not checked: {self.reason}"
        return f"largest difference of logits {self.difference:.0e} over {self.num_tokens} tokens"


def agreement(language_model: LanguageModel, folder: Path, class_name: str, gguf_file: str | None = None) -> Agreement:
    """Compare the logits and the ids of `folder`, or of a GGUF file in it, with ours.

    ExportError when they are others than ours or transformers cannot open what was written.
    """
    try:
        import transformers
    except ImportError:
        return Agreement(None, reason="transformers is not there; pip install 'codenas[transformers]'")
    if not hasattr(transformers, class_name):
        return Agreement(None, reason=f"transformers {transformers.__version__} has no {class_name}; take a newer one")
    if gguf_file and importlib.util.find_spec("accelerate") is None:
        return Agreement(None, reason="transformers opens GGUF files with accelerate; pip install accelerate")
    model, vocabulary = language_model.model, language_model.vocabulary
    ids = vocabulary.encode(_TEXT)
    try:
        with _silent(transformers):
            theirs, their_ids = _open(transformers, folder, gguf_file)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"transformers {transformers.__version__} cannot open the export ({reason})") from None
    if their_ids != ids:
        raise ExportError(f"AutoTokenizer gives other ids than ours, {_ADVICE}")
    ids = ids[: model.config.max_seq_length]
    with torch.inference_mode():
        ours = model(torch.tensor([ids]))
        difference = float((theirs(torch.tensor([ids])).logits - ours).abs().max())
    if not difference <= MAX_DIFFERENCE:
        raise ExportError(f"{class_name} gives other logits than ours, by up to {difference:.0e}, {_ADVICE}")
    return Agreement(difference, len(ids))


def _open(transformers: Any, folder: Path, gguf_file: str | None) -> tuple[Any, list[int]]:
    """The model, and the ids that it reads the text as."""
    options = {"local_files_only": True} | ({"gguf_file": gguf_file} if gguf_file else {})
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()
    return model, transformers.AutoTokenizer.from_pretrained(folder, **options)(_TEXT)["input_ids"]


@contextmanager
def _silent(transformers: Any) -> Iterator[None]:
    """No bars and no remarks of its own; errors are raised all the same."""
    logging = transformers.utils.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
