"""Prompts cut from real code, and the random numbers that sample their completions: the same for every trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from nas.errors import CorpusError
from nas.evaluate.collapse import collapse_rule
from nas.evaluate.quality.syntax import is_python_so_far
from nas.training.batches import derived_seed

PROMPTS_VERSION = 2
_MIN_VISIBLE = 8


def cut_prompts(documents: Sequence[str], num_prompts: int, max_bytes: int, completion_bytes: int) -> list[str]:
    """As `cut_available_prompts`; CorpusError when the text is too short for so many."""
    prompts = cut_available_prompts(documents, num_prompts, max_bytes, completion_bytes)
    if len(prompts) < num_prompts:
        raise CorpusError(
            f"the text has only {len(prompts)} different prompts of {max_bytes} bytes that go on as Python code; "
            f"{num_prompts} wanted"
        )
    return prompts


def cut_available_prompts(
    documents: Sequence[str], num_prompts: int, max_bytes: int, completion_bytes: int
) -> list[str]:
    """`num_prompts` different prompts, or as many as there are: whole lines up to one of code, without its line break.

    A prompt holds as many lines before its last one as fit `max_bytes` bytes of UTF-8, and starts where
    a line starts. Its own continuation, the `completion_bytes` bytes that follow, is healthy by the detector
    and with the prompt the beginning of valid Python: so neither can be the prompt's fault. Documents take
    turns, lines are drawn by a fixed seed: fewer prompts are the first of more.
    """
    rng = np.random.default_rng(derived_seed("prompts", PROMPTS_VERSION))
    waiting = [_prompts_of(document.split("\n"), max_bytes, completion_bytes, rng) for document in documents]
    prompts: dict[str, None] = {}
    while waiting and len(prompts) < num_prompts:
        for one in list(waiting):
            prompt = next(one, None)
            if prompt is None:
                waiting.remove(one)
            elif len(prompts) < num_prompts:
                prompts[prompt] = None
    return list(prompts)


def prompt_uniforms(num_prompts: int, num_tokens: int, seed: int = 0) -> torch.Tensor:
    """Numbers in [0, 1), (num_prompts, num_tokens) float64: row i samples prompt i, however many there are.

    Seed 0 gives those of every trial and evaluation.
    """
    more = (seed,) if seed else ()
    rows = [np.random.default_rng(derived_seed("uniforms", PROMPTS_VERSION, row, *more)) for row in range(num_prompts)]
    return torch.from_numpy(np.stack([rng.random(num_tokens) for rng in rows]))


def _prompts_of(lines: list[str], max_bytes: int, completion_bytes: int, rng: np.random.Generator) -> Iterator[str]:
    """The fair prompts of one document in a drawn order."""
    ends = [
        index
        for index, line in enumerate(lines[:-1])
        if len(line.strip()) >= _MIN_VISIBLE and len(line.encode()) <= max_bytes
    ]
    for end in rng.permutation(ends).astype(int).tolist():
        prompt = _lines_up_to(lines, end, max_bytes)
        if _is_fair(prompt, _bytes_after(lines, end, completion_bytes)):
            yield prompt


def _is_fair(prompt: str, continuation: str) -> bool:
    return collapse_rule(continuation, prompt) is None and is_python_so_far(prompt, continuation)


def _bytes_after(lines: list[str], end: int, num_bytes: int) -> str:
    """What follows line `end`, its line break first."""
    text = "\n" + "\n".join(lines[end + 1 : end + 1 + num_bytes])
    return text.encode()[:num_bytes].decode(errors="ignore")


def _lines_up_to(lines: list[str], last: int, max_bytes: int) -> str:
    first, used = last, len(lines[last].encode())
    while first > 0 and used + 1 + len(lines[first - 1].encode()) <= max_bytes:
        first -= 1
        used += 1 + len(lines[first].encode())
    return "\n".join(lines[first : last + 1]).lstrip("\n")
