"""The symbols that stand for the 256 bytes in a tokenizer's vocabulary, in the two forms that are in use."""

from __future__ import annotations


def _byte_symbols() -> tuple[str, ...]:
    """The printable character that stands for each byte in a byte-level token (GPT-2's table).

    Printable Latin-1 characters stand for themselves, all other bytes in turn for the code points
    from 256 on (Radford et al. 2019, `bytes_to_unicode` in encoder.py).
    """
    own = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return tuple(chr(byte if byte in own else next(others)) for byte in range(256))


BYTE_SYMBOLS = _byte_symbols()
FALLBACK_SYMBOLS = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""The tokens that the library's byte fallback looks for."""
CHAR_SYMBOLS = tuple(chr(byte) if byte < 128 else FALLBACK_SYMBOLS[byte] for byte in range(256))
"""The first ids of our vocabulary of characters: ASCII as itself, other bytes as the fallback spells them."""
