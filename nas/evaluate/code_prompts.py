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
    """Return `num_prompts` different prompts as `cut_available_prompts` draws them.

    Raises CorpusError when the text has fewer.
    """
    prompts = cut_available_prompts(documents, num_prompts, max_bytes, completion_bytes)
    if len(prompts) < num_prompts:
        raise CorpusError(
            f"the text has only {len(prompts)} different prompts of {max_bytes} bytes that continue as valid Python; "
            f"{num_prompts} are needed"
        )
    return prompts


def cut_available_prompts(
    documents: Sequence[str], num_prompts: int, max_bytes: int, completion_bytes: int
) -> list[str]:
    """Return up to `num_prompts` different prompts: whole lines that end with a line of code, without its line break.

    A prompt holds as many lines before its last one as fit `max_bytes` bytes of UTF-8, and starts where
    a line starts. Its own continuation, the `completion_bytes` bytes that follow, is healthy by the detector
    and together with the prompt the beginning of valid Python: so a failure is never the prompt's fault. Documents
    take turns, and lines are drawn with a fixed seed: fewer prompts are the first of more.
    """
    rng = np.random.default_rng(derived_seed("prompts", PROMPTS_VERSION))
    remaining = [_document_prompts(document.split("\n"), max_bytes, completion_bytes, rng) for document in documents]
    prompts: dict[str, None] = {}
    while remaining and len(prompts) < num_prompts:
        for candidates in list(remaining):
            prompt = next(candidates, None)
            if prompt is None:
                remaining.remove(candidates)
            elif len(prompts) < num_prompts:
                prompts[prompt] = None
    return list(prompts)


def prompt_uniforms(num_prompts: int, num_tokens: int, seed: int = 0) -> torch.Tensor:
    """Return random numbers in [0, 1), (num_prompts, num_tokens) float64; row i samples the completion of prompt i.

    A row does not depend on the number of prompts. Seed 0 gives the numbers of every trial and evaluation.
    """
    extra = (seed,) if seed else ()
    rows = [np.random.default_rng(derived_seed("uniforms", PROMPTS_VERSION, row, *extra)) for row in range(num_prompts)]
    return torch.from_numpy(np.stack([rng.random(num_tokens) for rng in rows]))


def _document_prompts(
    lines: list[str], max_bytes: int, completion_bytes: int, rng: np.random.Generator
) -> Iterator[str]:
    """Yield the fair prompts of one document in random order."""
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
    """Return the `num_bytes` bytes after line `end`, starting with its line break."""
    text = "\n" + "\n".join(lines[end + 1 : end + 1 + num_bytes])
    return text.encode()[:num_bytes].decode(errors="ignore")


def _lines_up_to(lines: list[str], last: int, max_bytes: int) -> str:
    first, used = last, len(lines[last].encode())
    while first > 0 and used + 1 + len(lines[first - 1].encode()) <= max_bytes:
        first -= 1
        used += 1 + len(lines[first].encode())
    return "\n".join(lines[first : last + 1]).lstrip("\n")
