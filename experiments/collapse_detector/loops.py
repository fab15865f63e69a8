"""Synthetic collapsed completions: loops of real tokens, phrases and lines, pure, with noise, or begun half-way."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

KINDS = ("token", "phrase", "phrase, counting", "line", "line, counting", "two lines, counting")
"""Repeated unit of a loop; a counting loop contains a number that grows by one each turn."""
DAMAGES = ("pure", "noise", "half-way")
NOISE = 0.05
"""Share of the visible characters that noise replaces by others."""

_TOKENS = (
    "):", ":", "::", "()", ", ", "self, ", " np", "property", "self.", "None, ", "return ", " = ", "0, ", "'', ",
    "x, ", "if not ", "import os\n", "\n        ", "#", "-", "=", ".", "_", "/", "*", "def ", "pass\n    ",
    "else:\n", "][", '" "', "assert ", "str, ", "a", "the ", " of the", "Error", "_name", "args", "foo(bar), ",
)  # fmt: skip
_NOISE_CHARACTERS = string.ascii_letters + "().,:=_"
_MIN_TURNS, _DIGITS, _TRIES = 3, 2, 100
# Used where the lines of the material are too long for three turns.
_WORDS = ("pass", "return", "else:", "break", "try:", "yield", "finally:", "continue")
_PIECE_OF_LINES = 300


def synthetic_loop(kind: str, damage: str, num_chars: int, material: Sequence[str], seed: str) -> str:
    """Return a text of `num_chars` characters; phrases, lines and the healthy first half are drawn from `material`."""
    rng = random.Random(seed)
    if damage == "half-way":
        start = _piece(rng, material, num_chars // 2)
        return start + _loop(rng, kind, num_chars - len(start), material)
    text = _loop(rng, kind, num_chars, material)
    if damage == "noise":
        text = "".join(
            rng.choice(_NOISE_CHARACTERS) if not character.isspace() and rng.random() < NOISE else character
            for character in text
        )
    return text


def _loop(rng: random.Random, kind: str, num_chars: int, material: Sequence[str]) -> str:
    """Return a loop with at least three turns in `num_chars` characters, of a word if no line of the material fits."""
    name, _, counting = kind.partition(", ")
    room = num_chars // _MIN_TURNS - (_DIGITS if counting else 0)
    for _ in range(_TRIES):
        unit = _unit(rng, name, material)
        if unit.strip() and len(unit) <= room and (not counting or sum(map(str.isalpha, unit)) >= 3):
            break
    else:
        unit = f"{rng.choice(_WORDS)[: room - 1]}\n"
    place, number = rng.randrange(len(unit)), rng.randrange(20)
    turns = (f"{unit[:place]}{number + turn if counting else ''}{unit[place:]}" for turn in range(num_chars))
    return "".join(turns)[:num_chars]


def _unit(rng: random.Random, name: str, material: Sequence[str]) -> str:
    if name == "token":
        return rng.choice(_TOKENS)
    if name == "phrase":
        return _piece(rng, material, rng.randint(4, 24)).replace("\n", " ")
    # The first and the last line of a piece are cut.
    lines = [line for line in _piece(rng, material, _PIECE_OF_LINES).split("\n")[1:-1] if line.strip()]
    return "".join(f"{line}\n" for line in lines[: 1 if name == "line" else 2])


def _piece(rng: random.Random, material: Sequence[str], num_chars: int) -> str:
    text = rng.choice(material)
    start = rng.randrange(max(1, len(text) - num_chars))
    return text[start : start + num_chars]
