"""How numbers, trials and untrusted text are written, the same in tables, on the terminal and on the page."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from nas.architecture.config import ArchitectureConfig
from nas.records.trial import TrialRecord

MISSING = "–"  # noqa: RUF001 - an en dash is what a table shows for no value


class Tile(NamedTuple):
    """One of the few figures that matter most: its name, its value and, in small letters, how surely it is known."""

    name: str
    value: str
    note: str = ""


class Command(NamedTuple):
    """A command to run next, and its purpose."""

    purpose: str
    words: str


def fixed(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def count(number: float) -> str:
    """Return a count in three significant digits: 980, 312k, 28.4M."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def flops_words(number: float) -> str:
    """Return FLOPs as people write them: 4e12, 3.5e13."""
    mantissa, _, exponent = f"{number:.2g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def duration(seconds: float) -> str:
    """Return seconds as people say them: 45 s, 12 min, 2 h 05 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def gigabytes(number: float) -> str:
    """Return bytes in GB from a tenth of one on, else in MB."""
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.3g} MB"


def title(record: TrialRecord) -> str:
    return f"trial {record.number}" + (f" ({record.reference})" if record.reference else "")


def sentence(architecture: ArchitectureConfig) -> str:
    """Return the architecture in words, for readers who do not know the short form of `describe()`."""
    layers = f"{architecture.num_layers} layer{'s' if architecture.num_layers > 1 else ''}"
    heads = f"{architecture.num_heads} attention head{'s' if architecture.num_heads > 1 else ''}"
    if architecture.num_kv_heads < architecture.num_heads:
        heads += f" on {architecture.num_kv_heads} key/value head{'s' if architecture.num_kv_heads > 1 else ''}"
    position = {"rope": "rotary positions", "none": "no positions"}.get(
        architecture.position_encoding, f"{architecture.position_encoding} positions"
    )
    parts = [
        f"{layers} of width {architecture.hidden_dim}",
        heads,
        f"{architecture.activation} feed-forward of {architecture.ffn_multiplier:g} times the width",
        architecture.normalization,
        position,
        f"a vocabulary of {architecture.vocab_size:,}",
        f"{'tied' if architecture.tie_embeddings else 'separate'} input and output embeddings",
    ]
    parts += ["normalised queries and keys"] if architecture.qk_norm else []
    return ", ".join(parts) + f"; {count(architecture.num_params)} parameters"


def visible(text: str) -> str:
    """Return text with its control, direction and surrogate characters made visible, so that it is safe to look at.

    Line feeds and tabs stay. HTML is not escaped here: the templates do that.
    """
    return "".join(
        character if character in "\n\t" or character.isprintable() else _shown(character) for character in text
    )


def _shown(character: str) -> str:
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    if unicodedata.category(character) == "Zs":
        return character
    return f"\\u{ord(character):04x}"
