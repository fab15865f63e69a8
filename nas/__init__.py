"""codenas: neural architecture search for small language models of Python code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.inference.language_model import LanguageModel

__version__ = "0.1.0"


def load(path: str | Path) -> LanguageModel:
    """Open a trained model: `nas.load("runs/arch").complete("def ")`. See LanguageModel for what it raises."""
    from nas.inference.language_model import LanguageModel as Model

    return Model.load(path)
