"""Settings of a completion, set by flags and at the prompt."""

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

PARSERS: Mapping[str, Callable[[str], Any]] = {
    "temperature": cli.non_negative_float,
    "top_p": cli.positive_float,
    "top_k": cli.non_negative_int,
    "max_bytes": cli.positive_int,
    "seed": cli.seed,
}
"""Setting -> the function that turns its text into a value."""


@dataclass(frozen=True)
class Settings:
    """The settings of `LanguageModel.complete`; each field is a flag."""

    temperature: float = 0.8
    top_p: float = 0.9
    top_k: int = 40
    max_bytes: int = 200
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.sampling  # building it checks the values
        if "" in self.stop:
            raise UsageError("--stop '' is empty, so it would end every completion at once; give some text")

    @property
    def sampling(self) -> SamplingSettings:
        """The settings that choose each token."""
        from nas.model import SamplingSettings

        return SamplingSettings(self.temperature, self.top_p, self.top_k)

    def stream(self, model: LanguageModel, prompt: str) -> CompletionStream:
        """Return the completion of `prompt` as a stream."""
        return model.stream(prompt, **asdict(self))

    def with_value(self, name: str, text: str) -> Settings:
        """Return a copy with another value for one of PARSERS (`top-p` means `top_p`).

        Raises UsageError for an unknown setting or an invalid value.
        """
        field = name.replace("-", "_")
        if field not in PARSERS:
            raise UsageError(unknown_name("setting", name, PARSERS))
        try:
            return replace(self, **{field: PARSERS[field](text)})
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{field} {error}") from None

    def describe(self) -> str:
        """Return all settings in the form that `with_value` reads."""
        return ", ".join(f"{name} {getattr(self, name)}" for name in PARSERS)
