"""`python -m benchmarks.generation`: how long do 128 completions of 80 tokens take, ours and transformers'?

The model is trained first, for so long that its greedy choices are those of a language model: near ties among them.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.processes import DEVICE, in_fresh_process
from benchmarks.results import parser, write_result
from benchmarks.shapes import SHAPES, Shape, corpus
from benchmarks.timing import interleaved, ratio, spread
from nas import cli

if TYPE_CHECKING:
    from nas.model import Decoder, SamplingSettings

Prompts = Sequence[Sequence[int]]
Tokens = list[list[int]]

OURS = "ours"
NUM_PROMPTS, NEW_TOKENS = 128, 80
PROMPT_TOKENS = (16, 48)
"""The shortest and the longest prompt."""
CACHES = ("dynamic", "static")


def main(argv: list[str] | None = None) -> int:
    built = parser("generation", "Time generation against transformers' generate.")
    built.add_argument("--shape", choices=SHAPES, default="medium", help="(default: medium)")
    built.add_argument("--threads", nargs="+", type=cli.positive_int, default=[2, 1], metavar="N", help="(default: 2 1)")
    built.add_argument("--rounds", type=cli.positive_int, default=5, metavar="N", help="timed turns of each (default: 5)")
    built.add_argument("--training-steps", type=cli.positive_int, default=100, metavar="N", help="(default: 100)")
    arguments = built.parse_args(argv)
    shape, most = SHAPES[arguments.shape], max(arguments.threads)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.safetensors"
        in_fresh_process(train, shape, arguments.training_steps, weights, most, threads=most)
        for threads in arguments.threads:
            for decoding in ("greedy", "sampled"):
                found = in_fresh_process(generated, shape, weights, decoding, arguments.rounds, threads=threads)
                cases.append({"threads": threads, "decoding": decoding, "contenders": found})
    about = {name: getattr(arguments, name) for name in ("rounds", "training_steps")}
    about |= {"shape": shape.name, "prompts": NUM_PROMPTS, "new_tokens": NEW_TOKENS}
    write_result("generation", arguments.out, argv, about | {"cases": cases})
    return 0


def train(shape: Shape, num_steps: int, weights: Path, threads: int) -> None:
    from nas.model import Decoder
    from nas.training.numerics import plan_numerics
    from nas.training.trainer import Trainer
    from nas.training.weights import save_weights

    recipe = shape.recipe(num_steps)
    model = Decoder(shape.architecture, seed=recipe.seed)
    training = Trainer(model, shape.tokens(), recipe, plan_numerics(DEVICE, threads))
    training.advance(num_steps)
    save_weights(training.model, weights)


def generated(shape: Shape, weights: Path, decoding: str, rounds: int) -> list[dict[str, Any]]:
    """Each contender's seconds, and for greedy decoding what share of its completions is ours, as JSON data."""
    from nas.evaluate.metrics import SAMPLED
    from nas.model import GREEDY
    from nas.training.weights import load_weights

    model, prompts = load_weights(weights), cut_prompts(shape)
    settings = GREEDY if decoding == "greedy" else SAMPLED
    contenders = {OURS: our_generation(model, prompts, settings)} | peer_generations(model, prompts, settings)
    last: dict[str, Tokens] = {}

    def kept(name: str) -> Callable[[], None]:
        return lambda: last.__setitem__(name, contenders[name]())

    seconds = interleaved({name: kept(name) for name in contenders}, rounds)
    found = []
    for name, taken in seconds.items():
        assert all(len(row) == NEW_TOKENS for row in last[name]), f"{name}: not {NEW_TOKENS} tokens a prompt"
        one: dict[str, Any] = {"name": name, "seconds": spread(taken), "times_ours": ratio(taken, seconds[OURS])}
        one["tokens_per_second"] = NUM_PROMPTS * NEW_TOKENS / statistics.median(taken)
        if decoding == "greedy":
            one |= agreement(model, prompts, last[OURS], last[name])
        found.append(one)
    return found


def cut_prompts(shape: Shape) -> Tokens:
    """Pieces of the validation split, of different lengths."""
    tokens = corpus(shape.vocabulary).tokens(shape.vocabulary, "validation")
    rng = np.random.default_rng(0)
    lengths = rng.integers(PROMPT_TOKENS[0], PROMPT_TOKENS[1] + 1, NUM_PROMPTS)
    starts = rng.integers(0, len(tokens) - PROMPT_TOKENS[1], NUM_PROMPTS)
    return [tokens[start : start + length].tolist() for start, length in zip(starts, lengths, strict=True)]


def our_generation(model: Decoder, prompts: Prompts, settings: SamplingSettings) -> Callable[[], Tokens]:
    """Nothing ends a completion but its number of tokens, which that of the random numbers is."""
    import torch

    from nas.evaluate.code_prompts import prompt_uniforms
    from nas.model import generate

    uniforms = prompt_uniforms(len(prompts), NEW_TOKENS)
    token_bytes = torch.ones(model.config.vocab_size, dtype=torch.int64)
    return lambda: generate(
        model, prompts, settings, uniforms=uniforms, token_bytes=token_bytes, byte_limit=1 << 30, eot_id=-1
    )


def peer_generations(model: Decoder, prompts: Prompts, settings: SamplingSettings) -> dict[str, Callable[[], Tokens]]:
    """transformers' `generate` in float32 and bfloat16, with the caches it has; prompts are padded on the left."""
    import torch

    from benchmarks.llama import build_peer

    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(one)) + list(one) for one in prompts])
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts])
    peer: Any = build_peer(model)
    peer.eval()
    how: dict[str, Any] = {"do_sample": False}
    if not settings.is_greedy:
        how = {"do_sample": True, "temperature": settings.temperature, "top_k": settings.top_k, "top_p": settings.top_p}

    def contender(peer: Any, cache: str) -> Callable[[], Tokens]:
        def run() -> Tokens:
            with torch.inference_mode():
                found: torch.Tensor = peer.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, use_cache=True, pad_token_id=0,
                    cache_implementation=cache, disable_compile=True, **how,
                )  # fmt: skip
            completions: Tokens = found[:, longest:].tolist()
            return completions

        return run

    peers = {"fp32": peer, "bf16": copy.deepcopy(peer).to(torch.bfloat16)}
    return {f"{name}, {cache} cache": contender(one, cache) for name, one in peers.items() for cache in CACHES}


def agreement(model: Decoder, prompts: Prompts, ours: Tokens, theirs: Tokens) -> dict[str, Any]:
    """The share of prompts with equal completions, and where they part, the largest gap that our logits see.

    The gap is between the two tokens at the first difference: a near tie, where another order of sums may decide.
    """
    gaps = [
        logit_gap(model, prompt, one, other)
        for prompt, one, other in zip(prompts, ours, theirs, strict=True)
        if one != other
    ]
    return {"equal_share": 1 - len(gaps) / len(prompts), "largest_gap": max(gaps, default=0.0)}


def logit_gap(model: Decoder, prompt: Sequence[int], one: Sequence[int], other: Sequence[int]) -> float:
    import torch

    place = next(index for index, (mine, yours) in enumerate(zip(one, other, strict=True)) if mine != yours)
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *one[:place]]]))[0, -1]
    return abs(float(logits[one[place]] - logits[other[place]]))


if __name__ == "__main__":
    cli.run(main, "benchmarks.generation")
