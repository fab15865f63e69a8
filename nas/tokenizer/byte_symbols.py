"""The symbols of the 256 bytes in a tokenizer's vocabulary, in the two forms that are in use."""

from __future__ import annotations


def _byte_symbols() -> tuple[str, ...]:
    """Return the printable character that represents each byte in a byte-level token (GPT-2's table).

    Printable Latin-1 characters represent themselves; the other bytes get the code points from 256 on, in order
    (Radford et al. 2019, `bytes_to_unicode` in encoder.py). By hand: `ByteLevel.alphabet` has no order.
    """
    own = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return tuple(chr(byte if byte in own else next(others)) for byte in range(256))


BYTE_SYMBOLS = _byte_symbols()
FALLBACK_SYMBOLS = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""The tokens that the library's byte fallback uses."""
CHAR_SYMBOLS = tuple(chr(byte) if byte < 128 else FALLBACK_SYMBOLS[byte] for byte in range(256))
"""The first ids of our character vocabulary: ASCII characters, then the other bytes in the form of the fallback."""
