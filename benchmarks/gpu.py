"""The benchmark `python -m benchmarks.gpu`: training speed on a GPU, ours and that of transformers' Llama.

The contenders take turns of ten steps, with the same weights, batches of random tokens and learning rates; the time
ends when the last loss is known. The peak is that of a large bf16 product in the same rounds. Without a CUDA device
nothing is measured. The result is rewritten after each shape.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.processes import in_fresh_process
from benchmarks.results import parser, write_result
from benchmarks.shapes import Shape
from benchmarks.timing import interleaved, ratio, spread
from nas import cli
from nas.data.prepare import print_progress

SHAPES = {
    "trial": Shape(num_layers=3, hidden_dim=64, vocab_size=2048, batch_size=4, seq_length=256),
    "narrow": Shape(4, 256, 4096, batch_size=32, seq_length=256, ffn_multiplier=2),
    "wide": Shape(4, 256, 50_257, batch_size=32, seq_length=256, ffn_multiplier=2),
    "gpt2": Shape(12, 768, 50_257, 32, 256, num_heads=12, ffn_multiplier=8 / 3, tie_embeddings=True),
}
"""A trial of the default space, the origin's L4 H256, and the size of GPT-2, with Llama's choices."""
STEPS = 10
"""Steps that are timed together; a single one would mostly wait for its loss."""
MANY_STEPS = 100_000
PRODUCT = 8192


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("gpu", "Time training steps on a GPU against transformers' Llama.")
    arguments_parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="(default: all)")
    arguments_parser.add_argument(
        "--rounds",
        type=cli.positive_int,
        default=5,
        metavar="N",
        help="rounds of ten steps of each contender (default: 5)",
    )
    arguments = arguments_parser.parse_args(argv)

    import torch

    if not torch.cuda.is_available():
        print_progress("torch has no CUDA device here: nothing was measured, and existing results were kept")
        return 0
    cases = []
    for name in arguments.shapes:
        print_progress(f"{name}: {SHAPES[name].name}")
        cases.append(in_fresh_process(measure_shape, SHAPES[name], arguments.rounds, threads=1))
        write_result("gpu", arguments.out, argv, {"rounds": arguments.rounds, "steps": STEPS, "cases": cases})
    return 0


def measure_shape(shape: Shape, rounds: int) -> dict[str, Any]:
    """Time one shape and return JSON data."""
    seconds = interleaved({**contenders(shape), "product": product()}, rounds, warmups=2)
    peak = 2 * PRODUCT**3 / statistics.median(seconds.pop("product"))
    return {
        "shape": shape.name,
        "num_params": shape.architecture.num_params,
        "step_flops": shape.step_flops,
        "peak_flops": peak,
        "contenders": [
            {
                "name": name,
                "seconds": spread([time / STEPS for time in times]),
                "tokens_per_second": STEPS * shape.step_tokens / statistics.median(times),
                "peak_share": STEPS * shape.step_flops / statistics.median(times) / peak,
                "times_ours": ratio(times, seconds["ours, compiled" if "compiled" in name else "ours"]),
            }
            for name, times in seconds.items()
        ],
    }


def contenders(shape: Shape) -> dict[str, Callable[[], float]]:
    """Return our training and the peer's under autocast, each eager and compiled; ours also without CUDA graphs."""
    import numpy as np

    from benchmarks.llama import PeerSetting, PeerTraining
    from nas.model import Decoder
    from nas.training.numerics import plan_numerics
    from nas.training.trainer import Trainer

    recipe = shape.recipe(MANY_STEPS)
    tokens = np.random.default_rng(0).integers(0, shape.vocab_size, 1 << 20).astype(np.uint16)

    def ours(*, compiled: bool, use_cuda_graphs: bool = True) -> Callable[[], float]:
        model = Decoder(shape.architecture, seed=recipe.seed)
        training = Trainer(
            model, tokens, recipe, plan_numerics("cuda", 1, compiled=compiled), use_cuda_graphs=use_cuda_graphs
        )
        return lambda: training.advance(STEPS)

    def peer(*, compiled: bool) -> Callable[[], float]:
        model = Decoder(shape.architecture, seed=recipe.seed)
        setting = PeerSetting("autocast", is_compiled=compiled)
        training = PeerTraining(model, tokens, recipe, setting, device="cuda")
        return lambda: training.advance(STEPS)

    return {
        "ours": ours(compiled=False),
        "ours, kernel by kernel": ours(compiled=False, use_cuda_graphs=False),
        "ours, compiled": ours(compiled=True),
        "autocast": peer(compiled=False),
        "autocast, compiled": peer(compiled=True),
    }


def product() -> Callable[[], object]:
    """Return a square bf16 product of random numbers that waits for its result."""
    import torch

    left, right = (torch.randn(PRODUCT, PRODUCT, device="cuda", dtype=torch.bfloat16) for _ in range(2))

    def multiply() -> None:
        torch.mm(left, right)
        torch.cuda.synchronize()

    return multiply


if __name__ == "__main__":
    cli.run(main, "benchmarks.gpu")
