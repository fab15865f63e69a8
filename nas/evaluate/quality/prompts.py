"""The prompts that a model completes: 256 of one line, the same for every model, or the lines of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.errors import UsageError

ONE_LINE_PROMPTS_VERSION = 1
_ONE_LINE_PROMPTS = Path(__file__).with_name("one_line_prompts.txt")


@dataclass(frozen=True)
class Prompt:
    """A prompt and its index among all prompts, which selects its random numbers."""

    index: int
    text: str


def one_line_prompts() -> tuple[str, ...]:
    """Return the built-in prompts in the order of their file, without line breaks.

    They stand in groups: functions, classes, methods, imports, `try` and `with` and similar statements, decorators,
    comprehensions and lambdas, coroutines, control flow, and the rest of a module. Each line of the file is a
    prompt, so the file holds no comments. Unlike prompts cut from code they have no human continuation.
    """
    return tuple(_ONE_LINE_PROMPTS.read_text(encoding="utf-8").removesuffix("\n").split("\n"))


def choose_prompts(path: Path | None, num_prompts: int | None) -> list[Prompt]:
    """Return the one-line prompts, or those of a file; with `num_prompts`, that many, spread evenly over the groups.

    A chosen prompt keeps its index, so that its completion is the same as among all prompts.
    """
    texts = one_line_prompts() if path is None else read_prompts(path)
    count = len(texts) if num_prompts is None else num_prompts
    if count > len(texts):
        raise UsageError(f"--num-prompts {count} is more than the {len(texts)} prompts there are")
    return [Prompt(index, texts[index]) for index in (place * len(texts) // count for place in range(count))]


def read_prompts(path: Path) -> tuple[str, ...]:
    """Return the lines of a file that are not blank; raise UsageError when there are none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UsageError(f"cannot read prompts {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"prompts {path} are not UTF-8 text") from None
    prompts = tuple(line for line in lines if line.strip())
    if not prompts:
        raise UsageError(f"{path} holds no prompts; write one per line")
    return prompts
