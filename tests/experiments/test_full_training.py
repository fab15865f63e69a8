from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.full_training import __main__ as full_training
from experiments.full_training import runs as full_runs
from experiments.full_training.model_specs import NAMES, ModelSpec, model_specs
from experiments.full_training.runs import FullRun, Job, open_runs, read_runs, run_job, run_jobs
from experiments.full_training.tables import tables
from nas.data.prepared import PreparedData
from nas.errors import StudyMismatch, UsageError
from nas.evaluate.quality.prompts import choose_prompts
from nas.records.trial import Metrics
from nas.search.references import compute_optimal_params
from tests.helpers.tiny_models import NUMERICS, tiny

MODEL = ModelSpec("tiny", tiny(max_seq_length=256, num_layers=2), "bytes")


@pytest.mark.parametrize("flops", [1e13, 1e14, 1e15])
def test_models_train_under_the_same_flops_and_a_large_one_in_enough_steps(flops: float) -> None:
    specs = model_specs(flops)
    assert tuple(specs) == NAMES
    for spec in specs.values():
        recipe = spec.recipe(flops, seed=3)
        spent = spec.architecture.train_flops_per_token(256) * recipe.batch_tokens * recipe.num_steps
        assert 0.99 * flops < spent <= flops
        assert recipe.num_steps >= 1000 or recipe.batch_tokens == 256
        assert recipe.seed == 3
    assert specs["origin-c"].architecture.num_params == 28_355_328


def test_the_llama_of_a_budget_has_about_the_size_that_is_best_for_it() -> None:
    for flops in (1e13, 1e14, 1e15):
        size = model_specs(flops)["llama"].architecture.non_embedding_params
        assert 0.6 < size / compute_optimal_params(flops) < 1.6


def test_a_teacher_is_paid_for_out_of_the_same_flops() -> None:
    per_token = MODEL.architecture.train_flops_per_token(256)
    alone, taught = MODEL.recipe(1e12, 0), MODEL.recipe(1e12, 0, teacher_flops_per_token=per_token)
    tokens = [recipe.num_steps * recipe.batch_tokens for recipe in (alone, taught)]
    assert tokens[1] == pytest.approx(tokens[0] / 2, rel=0.01)


def test_a_run_is_trained_evaluated_and_can_be_a_teacher(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_runs, "choose_prompts", lambda path, count: choose_prompts(path, 8))
    steps = MODEL.architecture.train_flops_per_token(256) * 256
    short = ModelSpec("tiny", MODEL.architecture, "bytes", batch_tokens=256)
    first = run_job(Job(short, 3.5 * steps, seed=1), data, NUMERICS, tmp_path / "teacher")
    assert (first.num_steps, first.batch_tokens, first.train_bytes) == (3, 256, 768)
    assert first.train_flops == 3 * steps
    assert (first.teacher_flops, first.rollbacks) == (0, 0)
    assert first.protocols.keys() == {"origin", "greedy", "plain"}
    assert all(low <= rate <= high for rate, low, high in first.protocols.values())
    assert first.compressors["xz"] < first.compressors["gzip"] < first.holdout.bpb
    job = Job(short, 3.5 * steps, seed=1, teacher=tmp_path / "teacher")
    assert job.name.endswith("-seed1-taught-by-teacher")
    taught = run_job(job, data, NUMERICS, tmp_path / "student")
    assert taught.num_steps == 2
    assert taught.teacher_flops == 2 * 256 * MODEL.architecture.forward_flops_per_token(256)
    lines = tmp_path / "runs.jsonl"
    lines.write_text(f"{first.model_dump_json()}\n{taught.model_dump_json()}\n{taught.model_dump_json()[:40]}")
    assert read_runs(lines) == {first.name: first, taught.name: taught}


def run(**changes: Any) -> FullRun:
    metrics = Metrics(
        bpb=changes.pop("bpb", 1.5),
        perplexity=9.0,
        num_bytes=1000,
        novel_bpb=1.75,
        novel_num_bytes=500,
        num_prompts=128,
        sampled_collapse_rate=0.0,
        greedy_collapse_rate=changes.pop("greedy", 0.5),
        collapse_rules={},
    )
    values: dict[str, Any] = {
        **{"name": "a", "model": "winner", "architecture": tiny(), "vocabulary": "bytes", "corpus_hash": "x"},
        **{"threads": 1, "dtype": "float32", "seed": 0, "train_flops": 9.99e13, "teacher_flops": 0, "num_steps": 10},
        **{"batch_tokens": 64, "learning_rate": 0.1, "train_bytes": 2e6, "val_bpb": 1.5, "rollbacks": 0},
        "compressors": {"gzip": 2.0, "xz": 1.5},
        "protocols": {"origin": (0.0, 0.0, 0.1), "greedy": (0.25, 0.2, 0.3), "plain": (0.0, 0.0, 0.1)},
        **{"train_seconds": 120.0, "watch_seconds": 1.0, "holdout": metrics},
    }
    return FullRun(**values | changes)


def test_the_table_has_means_over_seeds_the_best_first_and_the_taught_apart() -> None:
    runs = [
        run(bpb=1.5),
        run(bpb=1.7, name="b", seed=1, greedy=0.25),
        run(bpb=1.2, name="c", model="llama"),
        run(bpb=1.9, name="d", teacher_flops=1e13),
    ]
    header, _, *rows, last = tables(runs).splitlines()
    assert header.startswith("| FLOPs | architecture | parameters |")
    assert [row.split(" | ")[1].split(":")[0] for row in rows] == ["**llama**", "**winner**", "**winner**, taught"]
    cells = rows[1].split(" | ")
    assert cells[0] == "| 1e+14"
    assert cells[3:9] == ["2", "2 MB", "1.600 ± 0.141", "1.750 ± 0.000", "0.000", "0.375"]
    assert cells[9:] == ["0.00, 0.25, 0.00", "2 |"]
    assert "gzip 2.000, xz 1.500" in last


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'lama'.*'llama'"):
        full_training.main(["--only", "lama"])


def test_a_name_that_now_means_another_architecture_is_refused(data: PreparedData, tmp_path: Path) -> None:
    job = Job(MODEL, 1e12, seed=0)
    lines = tmp_path / "runs.jsonl"
    lines.write_text(run(name=job.name, architecture=tiny()).model_dump_json() + "\n")
    with pytest.raises(StudyMismatch, match=r"'tiny-1e12-seed0'.*num_layers: stored 1, .* 2.*--data"):
        run_jobs([job], open_runs(lines, data, "x", 1), data, NUMERICS, tmp_path, num_workers=1)
    lines.write_text(run(name=job.name, architecture=MODEL.architecture).model_dump_json() + "\n")
    run_jobs([job], open_runs(lines, data, "x", 1), data, NUMERICS, tmp_path, num_workers=1)
