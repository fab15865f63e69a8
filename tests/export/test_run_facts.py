from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.data.prepared import PreparedData
from nas.export.run_facts import RunFacts
from nas.records.training import TrainingLine
from nas.records.trial import Metrics
from nas.system.files import write_json
from tests.helpers.tiny_models import recipe

METRICS = Metrics(
    bpb=1.5,
    perplexity=9.0,
    num_bytes=1000,
    novel_bpb=1.75,
    novel_num_bytes=500,
    num_prompts=8,
    sampled_collapse_rate=0.125,
    greedy_collapse_rate=0.5,
    collapse_rules={"sampled": {"loop": 1}, "greedy": {"loop": 4}},
)


def line(step: int, val_bpb: float) -> TrainingLine:
    return TrainingLine(
        step=step,
        train_flops=1e9 * step,
        train_loss=3.0,
        val_bpb=val_bpb,
        val_novel_bpb=val_bpb + 0.25,
        val_perplexity=9.0,
        learning_rate=0.1,
        rollbacks=(),
        samples=(),
    )


def write_run(folder: Path, corpus_hash: str, **summary: Any) -> None:
    """Write the files that nas.train writes next to its weights."""
    write_json(folder / "run.json", {"recipe": recipe().model_dump(mode="json"), "corpus_hash": corpus_hash})
    lines = [line(step, bpb).model_dump_json() + "\n" for step, bpb in ((4, 3.0), (8, 2.0), (12, 2.0))]
    (folder / "log.jsonl").write_text("".join(lines) + lines[0][:30])  # a kill cut the last line
    if summary:
        write_json(folder / "summary.json", summary)


def test_the_facts_are_those_of_the_run_folder(tmp_path: Path, data: PreparedData) -> None:
    holdout = METRICS.model_dump(mode="json") | {"collapse_rate": 0.5}
    write_run(tmp_path, data.corpus_hash, holdout=holdout, command="python -m nas.train --arch-json a.json")
    facts = RunFacts.read(tmp_path)
    assert (facts.weights, facts.name) == (tmp_path / "best.safetensors", tmp_path.name)
    assert facts.recipe == recipe()
    assert facts.corpus is not None and facts.corpus["splits"] == data.manifest["splits"]
    assert facts.evaluation == line(8, 2.0)
    assert facts.holdout == METRICS
    assert facts.command == "python -m nas.train --arch-json a.json"


def test_missing_and_damaged_files_are_ignored(tmp_path: Path, cache_of_the_tests: Path) -> None:
    weights = tmp_path / "best.safetensors"
    assert RunFacts.read(tmp_path) == RunFacts(weights)
    for content in ("", "{", "[]", "{}", '{"recipe": 3, "holdout": {"bpb": "x"}, "corpus_hash": 4, "command": []}'):
        for name in ("run.json", "log.jsonl", "summary.json"):
            (tmp_path / name).write_text(content)
        assert RunFacts.read(tmp_path) == RunFacts(weights), content


def test_an_unknown_corpus_is_only_its_hash(tmp_path: Path, data: PreparedData) -> None:
    write_run(tmp_path, "0" * 64)
    facts = RunFacts.read(tmp_path)
    assert (facts.corpus_hash, facts.corpus) == ("0" * 64, None)


@pytest.mark.parametrize(("name", "known"), [("best.safetensors", True), ("other.safetensors", False)])
def test_the_results_of_the_best_weights_are_not_those_of_other_weights(tmp_path: Path, name: str, known: bool) -> None:
    write_run(tmp_path, "0" * 64, holdout=METRICS.model_dump(mode="json"))
    facts = RunFacts.read(tmp_path / name)
    assert (facts.evaluation is not None, facts.holdout is not None) == (known, known)
    assert facts.recipe == recipe()
