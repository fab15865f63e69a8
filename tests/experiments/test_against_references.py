from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.against_references import __main__ as against_references
from experiments.against_references.__main__ import tables
from nas.errors import StudyError
from nas.search import __main__ as search_command

SPACE = """
[search]
num_layers = [1, 2]
hidden_dim = [32, 64]
head_dim = 16
vocab_size = 256
[training]
trial_flops = 8e9
max_seq_length = 64
batch_tokens = 512
[evaluation]
validation_bytes = 8_192
num_prompts = 8
completion_bytes = 40
[verdict]
num_finalists = 1
num_seeds = 1
num_prompts = 8
"""


def scores(fitness: float, bpb: float) -> dict[str, float | str]:
    return {"architecture": "L1", "fitness": fitness, "bpb": bpb, "collapse_rate": fitness - bpb}


def test_a_gap_is_a_mean_with_students_interval() -> None:
    """Gaps 0.1, 0.2 and 0.3: mean 0.2, deviation 0.1, t(2) 4.303, half width 4.303 x 0.1 / sqrt(3)."""
    page = tables(
        [
            {"seed": seed, "scores": {"search": scores(1.5, 1.4), "llama": scores(1.5 + gap, 1.4)}}
            for seed, gap in enumerate((0.1, 0.2, 0.3))
        ]
    )
    assert "| llama | +0.200 ± 0.248, 3 of 3 | +0.000 ± 0.000, 0 of 3 |" in page
    assert "| 1 | L1 | 1.500 (1.400, 0.10) | 1.700 (1.400, 0.30) |" in page


def test_a_reference_that_one_search_lacks_leaves_its_place_empty() -> None:
    both = {"search": scores(1.5, 1.4), "llama": scores(1.6, 1.5), "gpt2": scores(1.7, 1.6)}
    without = {name: both[name] for name in ("search", "gpt2")}
    page = tables([{"seed": 0, "scores": without}, {"seed": 1, "scores": both}])
    assert "| chosen | its scores | gpt2 | llama |" in page
    assert "| 0 | L1 | 1.500 (1.400, 0.10) | 1.700 (1.600, 0.10) |  |" in page
    assert "| llama | +0.100, 1 of 1 |" in page


def test_two_tiny_searches_are_compared_with_their_references(tmp_path: Path, corpus_folder: Path) -> None:
    space = tmp_path / "mine.toml"
    space.write_text(SPACE)
    studies = [str(tmp_path / name) for name in "ab"]
    for seed, name in enumerate("ab"):
        search = ["--space", str(space), "--corpus", str(corpus_folder), "--budget", "3", "--seed", str(seed)]
        assert search_command.main([*search, "--workers", "2", "--name", name, "--out", str(tmp_path)]) == 0
    data, doc = tmp_path / "out.json", tmp_path / "out.md"
    assert against_references.main([*studies, "--data", str(data), "--doc", str(doc)]) == 0
    searches = json.loads(data.read_text())["searches"]
    assert [search["seed"] for search in searches] == [0, 1]
    assert {"search", "origin"} <= searches[0]["scores"].keys()
    assert "reference minus search" in doc.read_text()


def test_a_search_without_a_verdict_is_refused(tmp_path: Path) -> None:
    """The search on python-100mb was stopped in the middle of it."""
    study = Path(__file__).parents[2] / "trials" / "reference" / "python-100mb"
    with pytest.raises(StudyError, match=r"python-100mb .*verdict"):
        against_references.main([str(study), "--data", str(tmp_path / "a"), "--doc", str(tmp_path / "b")])
    assert not [*tmp_path.iterdir()]
