"""Whether what was written for others gives our logits: it is opened again by transformers and asked.

B batch (one), T time, V vocab.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.errors import ReleaseError
from nas.trial.language_model import LanguageModel

LARGEST_DIFFERENCE = 1e-4
"""Of two logits in fp32; more is another model."""
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
    """Compare the logits of `folder`, or of a GGUF file in it, and where it has a tokenizer.json, the ids.

    ReleaseError when they are others than ours or transformers cannot open what was written.
    """
    try:
        import transformers
    except ImportError:
        return Agreement(None, reason="transformers is not there; pip install 'codenas[transformers]'")
    if not hasattr(transformers, class_name):
        return Agreement(None, reason=f"transformers {transformers.__version__} has no {class_name}; take a newer one")
    model, vocabulary = language_model.model, language_model.vocabulary
    ids = vocabulary.encode(_TEXT)
    try:
        with _silent(transformers):
            where: dict[str, Any] = {"gguf_file": gguf_file} if gguf_file else {}
            options = where | {"local_files_only": True}
            theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()
            tokenizer = None if gguf_file else transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReleaseError(f"transformers {transformers.__version__} cannot open the export ({reason})") from None
    if tokenizer is not None and tokenizer(_TEXT)["input_ids"] != ids:
        raise ReleaseError("AutoTokenizer gives other ids than ours, so nothing was written; please report it")
    ids = ids[: model.config.max_seq_length]
    with torch.inference_mode():
        ours = model(torch.tensor([ids]))
        difference = float((theirs(torch.tensor([ids])).logits - ours).abs().max())
    if not difference <= LARGEST_DIFFERENCE:
        raise ReleaseError(
            f"{type(theirs).__name__} gives other logits than ours, by up to {difference:.0e}, where {LARGEST_DIFFERENCE:.0e} "
            "is allowed, so nothing was written; please report it"
        )
    return Agreement(difference, len(ids))


@contextmanager
def _silent(transformers: Any) -> Iterator[None]:
    """No bars and no remarks of its own while it loads; errors are raised all the same."""
    logging = transformers.utils.logging
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
