"""Texts that a vocabulary must reproduce: real code, and hard cases."""

from __future__ import annotations

import argparse
import asyncio.base_events
import textwrap
from pathlib import Path

TEXTS = [
    Path(module.__file__ or "").read_text(encoding="utf-8") for module in (argparse, asyncio.base_events, textwrap)
]
HARD_TEXTS = [
    "",
    "\n",
    "    \n\t\t\r\n  \r \x0b\x0c\x1c\u2028\u00a0",
    "def f(x):\n    return x  # trailing spaces   \n\n\n",
    "class A:\r\n\tdef f(self):\r\n\t\treturn 1\r\n",
    "'s 'S 'll don't\n",
    "<0x41><0x80><unk><|endoftext|> Ā Ġ Ċ ▁",
    "<|endoftext|>",
    "x = '<|end_of_text|></s><s>' <|fim_prefix|>\n<eos><|begin_of_text|>",
    "\0 a \0\0",
    "naïve Ünïcödé ß \u017f İ",
    "日本語のコメント 中文 한국어 עברית العربية",
    "😀👩‍👩‍👧‍👦🏳️‍🌈 e\u0301 \u200b\ufeff\ufffd\uffff\U0010ffff",
    "▁▁a ▁ b  ▁",
    "".join(map(chr, range(256))),
    "a" * 5_000 + "=" * 700,
]
