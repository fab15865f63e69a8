"""The pairs of trainings in fp32 and bf16, and the table of their differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.document import markdown
from experiments.trainings import TrainingResult, TrainingSpec
from nas.architecture.config import ArchitectureConfig
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection

SHAPES: dict[str, dict[str, Any]] = {
    "narrow": {"num_layers": 5, "hidden_dim": 32, "vocab_size": 4096, "normalization": "layernorm", "qk_norm": True},
    "wide vocabulary": {"num_layers": 2, "hidden_dim": 64, "vocab_size": 16384, "tie_embeddings": True},
    "wide": {"num_layers": 4, "hidden_dim": 128, "vocab_size": 1024, "normalization": "rmsnorm"},
}
NUM_SEEDS = 5
DTYPES = ("float32", "bfloat16")
BOUND = 0.01
"""Bits per byte that half precision may cost."""
_HEADER = ("shape", "architecture", "steps", "fp32", "bf16", "difference", "95% upper bound", f"under {BOUND}")


def training_spec(shape: str, seed: int, train_flops: float) -> TrainingSpec:
    """Return the training of a shape, the same for either precision."""
    width = int(SHAPES[shape]["hidden_dim"])
    values = {"num_heads": width // 16, "ffn_multiplier": 3.0, "activation": "swiglu", "max_seq_length": 256}
    architecture = ArchitectureConfig.parse({**values, **SHAPES[shape]})
    section = TrainingSection(trial_flops=train_flops, max_seq_length=256, batch_tokens=1024)
    return TrainingSpec(Candidate(architecture, f"bpe-{architecture.vocab_size}", lr_multiplier=1.0), section, seed)


def table(results: Mapping[str, Mapping[str, TrainingResult]], train_flops: float) -> str:
    """Return Markdown with one row for each shape whose pairs are complete; `results` are by dtype, then by key."""
    rows = []
    for shape in SHAPES:
        specs = [training_spec(shape, seed, train_flops) for seed in range(NUM_SEEDS)]
        if not all(spec.key in results[dtype] for spec in specs for dtype in DTYPES):
            continue
        fp32, bf16 = ([results[dtype][spec.key].val_bpb for spec in specs] for dtype in DTYPES)
        mean, bound = upper_bound([half - full for full, half in zip(fp32, bf16, strict=True)])
        met = "met" if bound < BOUND else "not met"
        figures = (f"{sum(fp32) / NUM_SEEDS:.4f}", f"{sum(bf16) / NUM_SEEDS:.4f}", f"{mean:+.4f}", f"{bound:+.4f}", met)
        rows.append([shape, specs[0].candidate.architecture.describe(), str(specs[0].recipe.num_steps), *figures])
    return markdown(_HEADER, rows)


def upper_bound(differences: Sequence[float]) -> tuple[float, float]:
    """Return the mean of paired differences, and its one-sided 95% upper bound by Student's t."""
    from scipy.stats import sem, t

    mean = sum(differences) / len(differences)
    return mean, mean + float(t.ppf(0.95, len(differences) - 1) * sem(differences))
