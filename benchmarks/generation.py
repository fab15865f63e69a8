"""The benchmark `python -m benchmarks.generation`: the time of 128 completions of 80 tokens, ours and transformers'.

The model is trained first, long enough that its greedy choices are those of a language model, with few near ties.
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
"""Length of the shortest and of the longest prompt."""
CACHES = ("dynamic", "static")


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("generation", "Time generation against transformers' generate.")
    arguments_parser.add_argument("--shape", choices=SHAPES, default="medium", help="(default: medium)")
    arguments_parser.add_argument(
        "--threads", nargs="+", type=cli.positive_int, default=[2, 1], metavar="N", help="(default: 2 1)"
    )
    arguments_parser.add_argument(
        "--rounds", type=cli.positive_int, default=5, metavar="N", help="timed calls of each contender (default: 5)"
    )
    arguments_parser.add_argument(
        "--training-steps", type=cli.positive_int, default=100, metavar="N", help="(default: 100)"
    )
    arguments = arguments_parser.parse_args(argv)
    shape, max_threads = SHAPES[arguments.shape], max(arguments.threads)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.safetensors"
        in_fresh_process(train, shape, arguments.training_steps, weights, max_threads, threads=max_threads)
        for threads in arguments.threads:
            for decoding in ("greedy", "sampled"):
                contenders = in_fresh_process(
                    time_generation, shape, weights, decoding, arguments.rounds, threads=threads
                )
                cases.append({"threads": threads, "decoding": decoding, "contenders": contenders})
    settings = {name: getattr(arguments, name) for name in ("rounds", "training_steps")}
    settings |= {"shape": shape.name, "prompts": NUM_PROMPTS, "new_tokens": NEW_TOKENS}
    write_result("generation", arguments.out, argv, settings | {"cases": cases})
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


def time_generation(shape: Shape, weights: Path, decoding: str, rounds: int) -> list[dict[str, Any]]:
    """Time each contender, and for greedy decoding compare its completions with ours; return JSON data."""
    from nas.evaluate.metrics import SAMPLED
    from nas.model import GREEDY
    from nas.training.weights import load_weights

    model, prompts = load_weights(weights), cut_prompts(shape)
    settings = GREEDY if decoding == "greedy" else SAMPLED
    contenders = {OURS: our_generation(model, prompts, settings)} | peer_generations(model, prompts, settings)
    last: dict[str, Tokens] = {}

    def keep_result(name: str) -> Callable[[], None]:
        return lambda: last.__setitem__(name, contenders[name]())

    seconds = interleaved({name: keep_result(name) for name in contenders}, rounds)
    results = []
    for name, times in seconds.items():
        assert all(len(row) == NEW_TOKENS for row in last[name]), f"{name}: not {NEW_TOKENS} tokens a prompt"
        result: dict[str, Any] = {"name": name, "seconds": spread(times), "times_ours": ratio(times, seconds[OURS])}
        result["tokens_per_second"] = NUM_PROMPTS * NEW_TOKENS / statistics.median(times)
        if decoding == "greedy":
            result |= agreement(model, prompts, last[OURS], last[name])
        results.append(result)
    return results


def cut_prompts(shape: Shape) -> Tokens:
    """Return pieces of the validation split of different lengths."""
    tokens = corpus(shape.vocabulary).tokens(shape.vocabulary, "validation")
    rng = np.random.default_rng(0)
    lengths = rng.integers(PROMPT_TOKENS[0], PROMPT_TOKENS[1] + 1, NUM_PROMPTS)
    starts = rng.integers(0, len(tokens) - PROMPT_TOKENS[1], NUM_PROMPTS)
    return [tokens[start : start + length].tolist() for start, length in zip(starts, lengths, strict=True)]


def our_generation(model: Decoder, prompts: Prompts, settings: SamplingSettings) -> Callable[[], Tokens]:
    """Return our generation, which ends each completion after NEW_TOKENS tokens and nowhere else."""
    import torch

    from nas.evaluate.code_prompts import prompt_uniforms
    from nas.model import generate

    uniforms = prompt_uniforms(len(prompts), NEW_TOKENS)
    token_bytes = torch.ones(model.config.vocab_size, dtype=torch.int64)
    return lambda: generate(
        model, prompts, settings, uniforms=uniforms, token_bytes=token_bytes, byte_limit=1 << 30, eot_id=-1
    )


def peer_generations(model: Decoder, prompts: Prompts, settings: SamplingSettings) -> dict[str, Callable[[], Tokens]]:
    """Return transformers' `generate` in float32 and bfloat16 with each of its caches; prompts are padded left."""
    import torch

    from benchmarks.llama import build_peer

    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    peer: Any = build_peer(model)
    peer.eval()
    sampling: dict[str, Any] = {"do_sample": False}
    if not settings.is_greedy:
        sampling = {
            "do_sample": True,
            "temperature": settings.temperature,
            "top_k": settings.top_k,
            "top_p": settings.top_p,
        }

    def contender(peer: Any, cache: str) -> Callable[[], Tokens]:
        def run() -> Tokens:
            with torch.inference_mode():
                generated: torch.Tensor = peer.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, use_cache=True, pad_token_id=0,
                    cache_implementation=cache, disable_compile=True, **sampling,
                )  # fmt: skip
            completions: Tokens = generated[:, longest:].tolist()
            return completions

        return run

    peers = {"fp32": peer, "bf16": copy.deepcopy(peer).to(torch.bfloat16)}
    return {f"{name}, {cache} cache": contender(peer, cache) for name, peer in peers.items() for cache in CACHES}


def agreement(model: Decoder, prompts: Prompts, ours: Tokens, peers: Tokens) -> dict[str, Any]:
    """Return the share of equal completions, and the largest gap between logits at a first difference.

    The gap is that of our logits for the two tokens; if it is small, another order of sums may decide between them.
    """
    gaps = [
        logit_gap(model, prompt, our_tokens, peer_tokens)
        for prompt, our_tokens, peer_tokens in zip(prompts, ours, peers, strict=True)
        if our_tokens != peer_tokens
    ]
    return {"equal_share": 1 - len(gaps) / len(prompts), "largest_gap": max(gaps, default=0.0)}


def logit_gap(model: Decoder, prompt: Sequence[int], ours: Sequence[int], peers: Sequence[int]) -> float:
    import torch

    place = next(index for index, (token, other) in enumerate(zip(ours, peers, strict=True)) if token != other)
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *ours[:place]]]))[0, -1]
    return abs(float(logits[ours[place]] - logits[peers[place]]))


if __name__ == "__main__":
    cli.run(main, "benchmarks.generation")
