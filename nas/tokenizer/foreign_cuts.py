"""How tokenizers of others cut a text before the BPE, and which of these cuts keep all of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Step = Mapping[str, Any]

KEEPS_TEXT = ("Split", "Digits", "Punctuation")
"""Pre-tokenizers that only cut, unless their behavior is to remove."""
SPACE_FIRST: Step = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": False}
"""The cuts of a Metaspace, on a text with spaces."""
TAKE_ANOTHER = "take another tokenizer, or train one with python -m nas.tokenizer train"


class InexactTokenizer(ValueError):
    """A tokenizer that cannot give every text back: what was found, what is allowed, what to do."""


def flat(step: Step | None, inner: str) -> Iterator[Step]:
    """The steps of a Sequence within Sequences, in order; of one step, itself; `inner` is where a Sequence has them."""
    if step is None:
        return
    if step["type"] == "Sequence":
        for one in step[inner]:
            yield from flat(one, inner)
    else:
        yield step


def byte_level_cuts(steps: Sequence[Step]) -> list[Step]:
    """The same cuts without a space put in front; InexactTokenizer where a step changes the text."""
    if sum(step["type"] == "ByteLevel" for step in steps) > 1:
        raise InexactTokenizer(f"its pre-tokenizer spells in bytes twice (ByteLevel), allowed is once; {TAKE_ANOTHER}")
    _check_cuts([step for step in steps if step["type"] != "ByteLevel"])
    return [{**step, "add_prefix_space": False} if step["type"] == "ByteLevel" else step for step in steps]


def fallback_cuts(steps: Sequence[Step], normalizers: Sequence[Step]) -> tuple[str | None, list[Step]]:
    """What a tokenizer of characters writes for a space (None: the space), and its cuts on a text with spaces.

    InexactTokenizer where a step changes the text in another way.
    """
    mark = next((str(one["content"]) for one in normalizers if replaces_space(one)), None)
    if mark is not None:
        # Such a cut is made in a text that has no space left by then: it is none.
        left = [step for step in steps if step["type"] != "Split" or step["pattern"] != {"String": " "}]
        if left:
            raise InexactTokenizer(
                f"it writes spaces as '{mark}' and cuts by {left[0]['type']}, allowed is no cut; {TAKE_ANOTHER}"
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
                f"its pre-tokenizer has {step['type']}{' that removes what it finds' if removes else ''}, "
                f"allowed are ByteLevel, {', '.join(KEEPS_TEXT)} that keep all of the text; {TAKE_ANOTHER}"
            )
