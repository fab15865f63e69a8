"""Prompts cut from real code, and the random numbers that sample their completions: the same for every trial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nas.errors import CorpusError
from nas.trial.batches import derived_seed

PROMPTS_VERSION = 1
_LEAST_VISIBLE = 8


def cut_prompts(documents: Sequence[str], num_prompts: int, max_bytes: int) -> list[str]:
    """`num_prompts` different prompts: whole lines ending at a line of code, without its line break.

    A prompt holds as many lines before its last one as fit `max_bytes` bytes of UTF-8, and starts where
    a line starts. Documents take turns, lines are drawn by a fixed seed. CorpusError when the text is
    too short for so many.
    """
    rng = np.random.default_rng(derived_seed("prompts", PROMPTS_VERSION))
    per_document = [_possible_ends(document.split("\n"), max_bytes) for document in documents]
    queues = [(lines, list(rng.permutation(ends))) for lines, ends in per_document if ends]
    prompts: dict[str, None] = {}
    while queues and len(prompts) < num_prompts:
        for lines, ends in queues:
            if len(prompts) < num_prompts:
                prompts.setdefault(_lines_up_to(lines, int(ends.pop()), max_bytes))
        queues = [(lines, ends) for lines, ends in queues if ends]
    if len(prompts) < num_prompts:
        raise CorpusError(
            f"the text has only {len(prompts)} different prompts of {max_bytes} bytes; {num_prompts} wanted"
        )
    return list(prompts)


def prompt_uniforms(num_prompts: int, num_tokens: int) -> torch.Tensor:
    """Numbers in [0, 1), (num_prompts, num_tokens) float64: row i samples prompt i, however many there are."""
    rows = [np.random.default_rng(derived_seed("uniforms", PROMPTS_VERSION, row)) for row in range(num_prompts)]
    return torch.from_numpy(np.stack([rng.random(num_tokens) for rng in rows]))


def _possible_ends(lines: list[str], max_bytes: int) -> tuple[list[str], list[int]]:
    fits = [
        index
        for index, line in enumerate(lines[:-1])
        if len(line.strip()) >= _LEAST_VISIBLE and len(line.encode()) <= max_bytes
    ]
    return lines, fits


def _lines_up_to(lines: list[str], last: int, max_bytes: int) -> str:
    first, used = last, len(lines[last].encode())
    while first > 0 and used + 1 + len(lines[first - 1].encode()) <= max_bytes:
        first -= 1
        used += 1 + len(lines[first].encode())
    return "\n".join(lines[first : last + 1]).lstrip("\n")
