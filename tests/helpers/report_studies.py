"""Small studies with hand-set numbers, valid by the schema, that no model was trained for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nas.architecture.config import ArchitectureConfig
from nas.records.study import HoldoutResult, StudyRecord
from nas.records.trial import Cost, Measured, Metrics, RungResult, TrialEnd, TrialRecord
from nas.space.dimension import Point

HOSTILE = "<script>alert(1)</script></pre>\x00\x1b[31m\u202e & done"

# number, val_bpb, sampled, greedy, width, vocabulary, reference. With a collapse weight of 1, fitness is
# 2.10, 2.05, 2.30, 2.40, 3.00; collapse rates are those of the worse decoding.
# Front in (bits per byte, collapse rate): 1 and 0 trade off, 3 has the lowest collapse rate; 2 and 4 are beaten by 0.
FIVE: tuple[tuple[Any, ...], ...] = (
    (0, 2.00, 0.05, 0.10, 96, 1024, None),
    (1, 1.85, 0.10, 0.20, 128, 2048, None),
    (2, 2.00, 0.30, 0.20, 64, 1024, None),
    (3, 2.35, 0.00, 0.05, 64, 512, None),
    (4, 2.60, 0.30, 0.40, 256, 50257, "origin"),
)
FRONT_OF_FIVE = {0, 1, 3}


def architecture(**changes: Any) -> ArchitectureConfig:
    values: dict[str, Any] = {
        "num_layers": 2,
        "hidden_dim": 96,
        "num_heads": 2,
        "ffn_multiplier": 3.0,
        "activation": "swiglu",
        "vocab_size": 1024,
        "max_seq_length": 128,
        "tie_embeddings": True,
    }
    return ArchitectureConfig(**{**values, **changes})


def point(built: ArchitectureConfig, vocabulary: int, lr_multiplier: float = 1.0) -> Point:
    """Return the point of a space that describes an architecture."""
    return {
        "num_layers": built.num_layers,
        "hidden_dim": built.hidden_dim,
        "vocab_size": vocabulary,
        "head_dim": built.head_dim,
        "query_group_size": built.num_heads // built.num_kv_heads,
        "ffn_multiplier": built.ffn_multiplier,
        "activation": built.activation,
        "normalization": built.normalization,
        "position_encoding": built.position_encoding,
        "tie_embeddings": built.tie_embeddings,
        "qk_norm": built.qk_norm,
        "dropout": built.residual_dropout,
        "lr_multiplier": lr_multiplier,
    }


def metrics(bpb: float, sampled: float, greedy: float) -> Metrics:
    return Metrics(
        bpb=bpb,
        perplexity=60.5,
        num_bytes=262_144,
        novel_bpb=bpb + 0.25,
        novel_num_bytes=150_000,
        num_prompts=128,
        sampled_collapse_rate=sampled,
        greedy_collapse_rate=greedy,
        collapse_rules={"sampled": {"loop": round(128 * sampled)}, "greedy": {"loop": round(128 * greedy)}},
    )


def measured(seconds: float = 60.0) -> Measured:
    return Measured(
        started="2026-01-02T03:04:05Z",
        total_seconds=seconds,
        train_seconds=0.8 * seconds,
        evaluate_seconds=0.1 * seconds,
        generate_seconds=0.1 * seconds,
        train_tokens_per_second=9000.0,
        decode_ms_per_token=0.2,
        peak_memory_bytes=400_000_000,
    )


def trial(
    number: int,
    val_bpb: float,
    sampled: float,
    greedy: float,
    width: int = 96,
    vocabulary: int = 1024,
    reference: str | None = None,
    weight: float = 1.0,
    lr_multiplier: float = 1.0,
    **changes: Any,
) -> TrialRecord:
    """Return a COMPLETE trial; fitness is val_bpb + weight x the worse of the two collapse rates."""
    built = architecture(hidden_dim=width, vocab_size=vocabulary, **changes)
    collapse = max(sampled, greedy)
    rung = RungResult(
        rung=0,
        train_flops=2e12,
        train_bytes=3e6,
        spent_flops=2e12,
        fitness=val_bpb + weight * collapse,
        val_bpb=val_bpb,
        collapse_rate=collapse,
        validation=metrics(val_bpb, sampled, greedy),
    )
    cost = Cost(
        num_params=built.num_params,
        non_embedding_params=built.non_embedding_params,
        train_flops_per_token=built.train_flops_per_token(),
        train_flops=2e12,
        train_tokens=1_000_000,
        train_bytes=3e6,
        train_steps=488,
    )
    return TrialRecord(
        number=number,
        end=TrialEnd.COMPLETE,
        reference=reference,
        point=point(built, vocabulary, lr_multiplier),
        architecture=built,
        vocabulary=f"bpe-{vocabulary}",
        lr_multiplier=lr_multiplier,
        learning_rate=0.003,
        seed=number,
        cost=cost,
        rungs=(rung,),
        measured=measured(),
    )


def ended(number: int, end: str, reason: str) -> TrialRecord:
    """Return a trial without a result; `end` is a value of TrialEnd."""
    built = architecture(num_layers=6)
    return TrialRecord(
        number=number,
        end=TrialEnd(end),
        reason=reason,
        point=point(built, 1024),
        architecture=built,
        vocabulary="bpe-1024",
        lr_multiplier=1.0,
        seed=number,
    )


def five() -> list[TrialRecord]:
    return [trial(*row) for row in FIVE]


def many(count: int = 40) -> list[TrialRecord]:
    """Return a search of `count` trials over a grid; every ninth is pruned, one failed, then two references."""
    records: list[TrialRecord] = []
    for number in range(count):
        width, vocabulary = (64, 96, 128, 192)[number % 4], (256, 512, 1024, 4096)[number // 4 % 4]
        layers = 1 + number % 3
        if number % 9 == 8:
            records.append(ended(number, "over_limit", "max_train_flops_per_token is over its limit by 31%"))
            continue
        if number == 13:
            records.append(ended(number, "fault", "the training loss is not finite at step 112"))
            continue
        bpb = 1.95 + 0.3 * abs(width - 112) / 112 + 0.05 * abs(layers - 2) + 0.12 * (vocabulary in (256, 4096))
        bpb += 0.4 / (1 + number / 4) + 0.01 * (number * 7 % 5)
        sampled = (0.02 + 0.01 * (number * 5 % 7)) * (1 if vocabulary < 4096 else 2)
        greedy = 0.2 + 0.05 * (number * 3 % 8) + (0.1 if vocabulary == 4096 else 0)
        ratio = 0.7 + 0.1 * (number % 7)
        records.append(trial(number, bpb, sampled, greedy, width, vocabulary, num_layers=layers, lr_multiplier=ratio))
    records.append(trial(count, 2.71, 0.08, 0.66, 256, 50257, "origin", num_layers=4, activation="gelu"))
    records.append(trial(count + 1, 2.33, 0.04, 0.52, 128, 8192, "gpt2", normalization="layernorm"))
    return records


def study(**changes: Any) -> StudyRecord:
    values: dict[str, Any] = {
        "name": "base",
        "budget": 40,
        "complete": True,
        "seed": 7,
        "collapse_weight": 1.0,
        "space": {"search": {"num_layers": {"min": 1, "max": 4}, "hidden_dim": [64, 96, 128, 192]}},
        "identity": {"space": "0123abcd", "version": "1.0"},
        "corpus": {
            "source": "standard library",
            "sha256": "ab" * 32,
            "splits": {"train": {"bytes": 10_000_000, "documents": 900}, "holdout": {"bytes": 262_144}},
        },
        "compressors": {
            "validation": {"gzip": 2.01, "bzip2": 1.68, "xz": 1.49},
            "holdout": {"gzip": 2.00, "bzip2": 1.66, "xz": 1.48},
        },
        "provenance": {"command": "python -m nas.search", "versions": {"torch": "2.13"}, "cpu_count": 2},
        "measured": {"corpus": 12.0, "trials": 2400.0, "verdict": 300.0},
    }
    return StudyRecord(**{**values, **changes})


def verdict(*results: tuple[int, float, float, float], seed: int = 7) -> tuple[HoldoutResult, ...]:
    """Return holdout results of (number, bits per byte, sampled, greedy), at a collapse weight of 1."""
    return tuple(
        HoldoutResult(
            number=number, seed=seed, fitness=bpb + max(sampled, greedy), metrics=metrics(bpb, sampled, greedy)
        )
        for number, bpb, sampled, greedy in results
    )


def write_study(folder: Path, record: StudyRecord, records: list[TrialRecord]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(record.model_dump_json(), encoding="utf-8")
    lines = "".join(trial.model_dump_json() + "\n" for trial in records)
    (folder / "trials.jsonl").write_text(lines, encoding="utf-8")
    return folder


def write_samples(folder: Path, number: int, prompts: int = 2, completion: str = HOSTILE) -> None:
    """Write two completions for each prompt, of which the greedy one is collapsed."""
    (folder / "samples").mkdir(exist_ok=True)
    lines = []
    for index in range(prompts):
        prompt = f"def prompt_{index}(a, b):\n    "
        for mode, rule in (("sampled", None), ("greedy", "loop")):
            line = {"index": index, "prompt": prompt, "completion": completion, "mode": mode, "rule": rule, "extra": 1}
            lines.append(json.dumps(line))
    (folder / "samples" / f"{number:04d}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
