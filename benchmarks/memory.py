"""The benchmark `python -m benchmarks.memory`: memory of training steps with 50,257 tokens, ours and the peer's."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.processes import DEVICE, in_fresh_process
from benchmarks.results import parser, write_result
from benchmarks.shapes import SHAPES, Shape
from nas import cli

OURS, PEERS = "ours", ("fp32", "autocast")
STEPS = 3


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("memory", "Measure the peak memory of training steps against transformers' Llama.")
    arguments_parser.add_argument("--shape", choices=SHAPES, default="wide", help="(default: wide)")
    arguments_parser.add_argument("--threads", type=cli.positive_int, default=2, metavar="N", help="(default: 2)")
    arguments = arguments_parser.parse_args(argv)
    shape = SHAPES[arguments.shape]
    contenders = [
        in_fresh_process(measure_memory, shape, name, arguments.threads, threads=arguments.threads)
        for name in (OURS, *PEERS)
    ]
    settings = {
        "shape": shape.name,
        "threads": arguments.threads,
        "steps": STEPS,
        "num_params": shape.architecture.num_params,
    }
    write_result("memory", arguments.out, argv, settings | {"contenders": contenders})
    return 0


def measure_memory(shape: Shape, name: str, threads: int) -> dict[str, Any]:
    """Return the peak of resident bytes of this process after the imports and after some training steps."""
    from nas.model import Decoder
    from nas.training.numerics import plan_numerics
    from nas.training.trainer import Trainer

    if name != OURS:
        from benchmarks.llama import PeerSetting, PeerTraining
    tokens, recipe = shape.tokens(), shape.recipe(num_steps=STEPS)
    imported = peak_bytes()
    model = Decoder(shape.architecture, seed=recipe.seed)
    if name == OURS:
        Trainer(model, tokens, recipe, plan_numerics(DEVICE, threads)).advance(STEPS)
    else:
        training = PeerTraining(model, tokens, recipe, PeerSetting(name))
        del model
        training.advance(STEPS)
    return {"name": name, "imported_bytes": imported, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Return the peak of resident bytes of this process so far.

    On Linux `ru_maxrss` includes the memory of the parent at the start of this process; /proc/self/status does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    cli.run(main, "benchmarks.memory")
