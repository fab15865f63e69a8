"""`python -m benchmarks.memory`: how much memory do training steps with 50,257 tokens take, ours and the peer's?"""

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
    built = parser("memory", "Measure the peak memory of training steps against transformers' Llama.")
    built.add_argument("--shape", choices=SHAPES, default="wide", help="(default: wide)")
    built.add_argument("--threads", type=cli.positive_int, default=2, metavar="N", help="(default: 2)")
    arguments = built.parse_args(argv)
    shape = SHAPES[arguments.shape]
    found = [in_fresh_process(memory_of, shape, name, arguments.threads, threads=arguments.threads) for name in
             (OURS, *PEERS)]  # fmt: skip
    about = {
        "shape": shape.name,
        "threads": arguments.threads,
        "steps": STEPS,
        "num_params": shape.architecture.num_params,
    }
    write_result("memory", arguments.out, argv, about | {"contenders": found})
    return 0


def memory_of(shape: Shape, name: str, threads: int) -> dict[str, Any]:
    """Resident bytes of this process after the imports, and the most there were by the end of some training steps."""
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
    """The most that was resident in this process so far.

    Linux counts into `ru_maxrss` what the parent had resident when it started this process; its own file does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    cli.run(main, "benchmarks.memory")
