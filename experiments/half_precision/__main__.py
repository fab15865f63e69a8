"""`python -m experiments.half_precision`: does training in bf16 give models as good as in fp32?

Three shapes are trained with five seeds in either precision, everything else equal, and compared in pairs. In
experiments/half_precision/README.md: the difference in bits per byte and the upper bound of its 95% interval.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.document import markdown, write_tables
from nas import cli
from nas.architecture.config import ArchitectureConfig
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection

if TYPE_CHECKING:
    from experiments.trainings import Trainings, Wanted

SHAPES: dict[str, dict[str, Any]] = {
    "narrow": {"num_layers": 5, "hidden_dim": 32, "vocab_size": 4096, "normalization": "layernorm", "qk_norm": True},
    "wide vocabulary": {"num_layers": 2, "hidden_dim": 64, "vocab_size": 16384, "tie_embeddings": True},
    "wide": {"num_layers": 4, "hidden_dim": 128, "vocab_size": 1024, "normalization": "rmsnorm"},
}
SEEDS = 5
DTYPES = ("float32", "bfloat16")
BOUND = 0.01
"""Bits per byte that half precision may cost."""


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.half_precision", "Compare trainings in bf16 and fp32, in pairs.")
    built.add_argument("--trial-flops", type=cli.positive, default=2e12, metavar="N", help="FLOPs of each training")
    built.add_argument("--workers", type=cli.whole, metavar="N", help="processes (default: one a core)")
    built.add_argument("--minutes", type=cli.positive, metavar="M", help="begin no training after so many minutes")
    built.add_argument(
        "--data",
        default="experiments/half_precision/half-precision",
        metavar="STEM",
        help="one line a training, by precision",
    )
    built.add_argument(
        "--doc", default="experiments/half_precision/README.md", metavar="FILE", help="where the table goes"
    )
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.trainings import Trainings
    from nas.data.prepare import prepare_data
    from nas.system.machine import available_cores
    from nas.training.numerics import plan_numerics

    data = prepare_data("stdlib", sorted({f"bpe-{shape['vocab_size']}" for shape in SHAPES.values()}))
    command = cli.command_line("experiments.half_precision", argv)
    planned = plan_numerics("cpu", threads=1)
    files = {
        dtype: Trainings(
            Path(f"{arguments.data}.{dtype}.jsonl"), data, planned.model_copy(update={"dtype": dtype}), command
        )
        for dtype in DTYPES
    }
    deadline = time.monotonic() + 60 * (arguments.minutes or 1e9)
    complete = True
    for seed in range(SEEDS):  # seed by seed in both, so that a stop leaves pairs
        wanted = [wanted_training(shape, seed, arguments.trial_flops) for shape in SHAPES]
        for trainings in files.values():
            complete = trainings.run(wanted, arguments.workers or available_cores(), deadline) and complete
    write_tables(Path(arguments.doc), "pairs", table(files, arguments.trial_flops))
    print(f"written: {arguments.doc}")
    if not complete:
        print("stopped before its end; run the same command again to go on")
    return 0


def wanted_training(shape: str, seed: int, train_flops: float) -> Wanted:
    from experiments.trainings import Wanted

    width = int(SHAPES[shape]["hidden_dim"])
    values = {"num_heads": width // 16, "ffn_multiplier": 3.0, "activation": "swiglu", "max_seq_length": 256}
    architecture = ArchitectureConfig.parse({**values, **SHAPES[shape]})
    section = TrainingSection(trial_flops=train_flops, max_seq_length=256, batch_tokens=1024)
    return Wanted(Candidate(architecture, f"bpe-{architecture.vocab_size}", lr_multiplier=1.0), section, seed=seed)


def table(files: dict[str, Trainings], train_flops: float) -> str:
    """Markdown: one row a shape of which all pairs are there."""
    rows = []
    for shape in SHAPES:
        wanted = [wanted_training(shape, seed, train_flops) for seed in range(SEEDS)]
        if not all(one.key in trainings.done for one in wanted for trainings in files.values()):
            continue
        whole, half = ([trainings.of(one).val_bpb for one in wanted] for trainings in files.values())
        mean, bound = upper_bound([after - before for before, after in zip(whole, half, strict=True)])
        met = "met" if bound < BOUND else "not met"
        figures = (f"{sum(whole) / SEEDS:.4f}", f"{sum(half) / SEEDS:.4f}", f"{mean:+.4f}", f"{bound:+.4f}", met)
        rows.append([shape, wanted[0].candidate.architecture.describe(), str(wanted[0].recipe.num_steps), *figures])
    header = ("shape", "architecture", "steps", "fp32", "bf16", "difference", "95% upper bound", f"under {BOUND}")
    return markdown(header, rows)


def upper_bound(differences: list[float]) -> tuple[float, float]:
    """Mean of paired differences, and the one-sided 95% upper bound of it by Student's t."""
    from scipy.special import stdtrit

    count = len(differences)
    mean = sum(differences) / count
    variance = sum((one - mean) ** 2 for one in differences) / (count - 1)
    return mean, mean + float(stdtrit(count - 1, 0.95)) * math.sqrt(variance / count)


if __name__ == "__main__":
    cli.run(main, "experiments.half_precision")
