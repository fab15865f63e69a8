"""The prompts that a model is asked to go on with: ours, or the lines of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.errors import UsageError
from nas.evaluate.quality.one_line_prompts import one_line_prompts


@dataclass(frozen=True)
class Prompt:
    """A prompt and its place among all of them, which chooses its random numbers."""

    index: int
    text: str


def choose_prompts(path: Path | None, num_prompts: int | None) -> list[Prompt]:
    """The one-line prompts, or those of a file; `num_prompts` of them spread evenly, for they may stand in groups.

    A chosen prompt keeps its index, so that its completion is the one it has among all prompts.
    """
    texts = one_line_prompts() if path is None else read_prompts(path)
    num = len(texts) if num_prompts is None else num_prompts
    if num > len(texts):
        raise UsageError(f"--num-prompts {num} is more than the {len(texts)} prompts there are")
    return [Prompt(index, texts[index]) for index in (place * len(texts) // num for place in range(num))]


def read_prompts(path: Path) -> tuple[str, ...]:
    """One prompt a line; blank lines are left out. UsageError when there is none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UsageError(f"cannot read prompts {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"prompts {path} are not UTF-8 text") from None
    prompts = tuple(line for line in lines if line.strip())
    if not prompts:
        raise UsageError(f"{path} holds no prompts; it takes one a line")
    return prompts
