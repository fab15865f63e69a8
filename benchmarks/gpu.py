"""`python -m benchmarks.gpu`: how fast does a GPU train, by us and by transformers' Llama, and what share of its peak?

Each contender does ten steps in turn, with the same weights, batches of drawn tokens and learning rates; the time is
until the last loss is there. The peak is that of a large bf16 product in the same rounds. Without a CUDA device nothing
is measured. The result is written anew after each shape.
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
"""A trial of the default space; the origin's L4 H256 and the size of GPT-2, by Llama's choices, in the origin's batches."""
STEPS = 10
"""That are timed together: one alone would be the wait for its loss."""
MANY_STEPS = 100_000
PRODUCT = 8192


def main(argv: list[str] | None = None) -> int:
    built = parser("gpu", "Time training steps on a GPU against transformers' Llama.")
    built.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="(default: all)")
    built.add_argument("--rounds", type=cli.positive_int, default=5, metavar="N", help="of ten steps of each (default: 5)")
    arguments = built.parse_args(argv)

    import torch

    if not torch.cuda.is_available():
        print_progress("this torch sees no CUDA device: nothing was measured, and results that stand there stay")
        return 0
    cases = []
    for name in arguments.shapes:
        print_progress(f"{name}: {SHAPES[name].name}")
        cases.append(in_fresh_process(measured, SHAPES[name], arguments.rounds, threads=1))
        write_result("gpu", arguments.out, argv, {"rounds": arguments.rounds, "steps": STEPS, "cases": cases})
    return 0


def measured(shape: Shape, rounds: int) -> dict[str, Any]:
    """The times of one shape, as JSON data."""
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
                "seconds": spread([one / STEPS for one in taken]),
                "tokens_per_second": STEPS * shape.step_tokens / statistics.median(taken),
                "peak_share": STEPS * shape.step_flops / statistics.median(taken) / peak,
                "times_ours": ratio(taken, seconds["ours, compiled" if "compiled" in name else "ours"]),
            }
            for name, taken in seconds.items()
        ],
    }


def contenders(shape: Shape) -> dict[str, Callable[[], float]]:
    """Ours and the peer under autocast, each eager and compiled, in a long training; ours without graphs too."""
    import numpy as np

    from benchmarks.llama import PeerSetting, PeerTraining
    from nas.model import Decoder
    from nas.training.numerics import plan_numerics
    from nas.training.trainer import Trainer

    recipe = shape.recipe(MANY_STEPS)
    tokens = np.random.default_rng(0).integers(0, shape.vocab_size, 1 << 20).astype(np.uint16)

    def ours(*, compiled: bool, use_cuda_graphs: bool = True) -> Callable[[], float]:
        model = Decoder(shape.architecture, seed=recipe.seed)
        training = Trainer(model, tokens, recipe, plan_numerics("cuda", 1, compiled=compiled), use_cuda_graphs=use_cuda_graphs)
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
    """A square bf16 product of drawn numbers, waited for."""
    import torch

    left, right = (torch.randn(PRODUCT, PRODUCT, device="cuda", dtype=torch.bfloat16) for _ in range(2))

    def multiply() -> None:
        torch.mm(left, right)
        torch.cuda.synchronize()

    return multiply


if __name__ == "__main__":
    cli.run(main, "benchmarks.gpu")
