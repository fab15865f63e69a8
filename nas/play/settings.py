"""How a completion is asked for, on the command line as at a prompt."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from nas.inference.completion_stream import CompletionStream
    from nas.inference.language_model import LanguageModel
    from nas.model import SamplingSettings

READERS: Mapping[str, Callable[[str], Any]] = {
    "temperature": cli.non_negative_float,
    "top_p": cli.positive_float,
    "top_k": cli.non_negative_int,
    "max_bytes": cli.positive_int,
    "seed": cli.seed,
}
"""What can be set, and how its text becomes a value."""


@dataclass(frozen=True)
class Settings:
    """One field a flag; their meaning is that of `LanguageModel.complete`."""

    temperature: float = 0.8
    top_p: float = 0.9
    top_k: int = 40
    max_bytes: int = 200
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.sampling  # it checks the values
        if "" in self.stop:
            raise UsageError("--stop '' is empty; every text begins with it")

    @property
    def sampling(self) -> SamplingSettings:
        from nas.model import SamplingSettings

        return SamplingSettings(self.temperature, self.top_p, self.top_k)

    def stream(self, model: LanguageModel, prompt: str) -> CompletionStream:
        return model.stream(prompt, **asdict(self))

    def changed(self, name: str, text: str) -> Settings:
        """With another value for one of READERS, `top-p` for `top_p`; UsageError for one that cannot be."""
        known = name.replace("-", "_")
        if known not in READERS:
            raise UsageError(unknown_name("setting", name, READERS))
        try:
            return replace(self, **{known: READERS[known](text)})
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{known} is {error}") from None

    def describe(self) -> str:
        """In the names and the form that `changed` takes."""
        return ", ".join(f"{name} {getattr(self, name)}" for name in READERS)
