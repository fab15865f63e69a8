"""The pre-tokenization of foreign tokenizers: which cuts before the BPE keep all of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Step = Mapping[str, Any]

KEEPS_TEXT = ("Split", "Digits", "Punctuation")
"""Pre-tokenizers that only cut, unless their `behavior` is to remove."""
SPACE_FIRST: Step = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": False}
"""The cuts of a Metaspace in a text with spaces."""
ADVICE = "use another tokenizer, or train one with python -m nas.tokenizer train"


class InexactTokenizer(ValueError):
    """A tokenizer that cannot reproduce every text; the message says why, what is allowed, and what to do."""


def flatten(step: Step | None, inner: str) -> Iterator[Step]:
    """Yield the steps of nested Sequences in order; `inner` is the key of a Sequence for its steps."""
    if step is None:
        return
    if step["type"] == "Sequence":
        for inner_step in step[inner]:
            yield from flatten(inner_step, inner)
    else:
        yield step


def byte_level_cuts(steps: Sequence[Step]) -> list[Step]:
    """Return the same cuts without an added space in front; raise InexactTokenizer if a step changes the text."""
    if sum(step["type"] == "ByteLevel" for step in steps) > 1:
        raise InexactTokenizer(f"its pre-tokenizer has ByteLevel more than once, allowed is once; {ADVICE}")
    _check_cuts([step for step in steps if step["type"] != "ByteLevel"])
    return [{**step, "add_prefix_space": False} if step["type"] == "ByteLevel" else step for step in steps]


def fallback_cuts(steps: Sequence[Step], normalizers: Sequence[Step]) -> tuple[str | None, list[Step]]:
    """Return the mark that a character tokenizer writes for a space (None if the space), and its cuts in a plain text.

    Raises InexactTokenizer if a step changes the text in another way.
    """
    mark = next((str(normalizer["content"]) for normalizer in normalizers if replaces_space(normalizer)), None)
    if mark is not None:
        # A cut at spaces has no effect, because the text has no spaces by then.
        remaining = [step for step in steps if step["type"] != "Split" or step["pattern"] != {"String": " "}]
        if remaining:
            raise InexactTokenizer(
                f"it writes spaces as '{mark}' and cuts by {remaining[0]['type']}, allowed is no cut; {ADVICE}"
            )
        return mark, []
    if [step["type"] for step in steps] == ["Metaspace"]:
        return str(steps[0]["replacement"]), [SPACE_FIRST] if steps[0]["split"] else []
    _check_cuts(steps)
    return None, list(steps)


def replaces_space(normalizer: Step) -> bool:
    return bool(normalizer["type"] == "Replace" and normalizer["pattern"] == {"String": " "})


def _check_cuts(steps: Sequence[Step]) -> None:
    for step in steps:
        removes = step.get("behavior") == "Removed"
        if step["type"] not in KEEPS_TEXT or removes:
            raise InexactTokenizer(
                f"its pre-tokenizer has {step['type']}{' that removes its matches' if removes else ''}, "
                f"allowed are ByteLevel, and {', '.join(KEEPS_TEXT)} that keep all of the text; {ADVICE}"
            )
