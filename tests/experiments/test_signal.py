from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from experiments.scoring import COMPLETION_BYTES, DECODINGS_STUDIED
from experiments.signal import tables as signal_tables
from experiments.signal.design import spread_candidates
from experiments.signal.figure import signal_figure
from experiments.signal.ranges import edges_hit
from experiments.signal.study import ELSEWHERE, NUM_ARCHITECTURES, SEEDS, SignalStudy
from experiments.trainings import Trained, Wanted
from nas.space.search_space import Candidate
from tests.experiments.test_design import SIZES, space

NUM_BLOCKS = 16
NUM_PROMPTS = 8


@dataclass
class Written:
    """Takes the place of a file of trainings: what each would have scored, by formula."""

    val_bpb: Callable[[Wanted], float]

    def of(self, wanted: Wanted) -> Trained:
        bpb = self.val_bpb(wanted)
        digits = "1" * (wanted.seed + 1) + "0" * (NUM_PROMPTS - wanted.seed - 1)
        recipe = wanted.recipe
        return Trained(
            key=wanted.key,
            architecture=wanted.candidate.architecture,
            vocabulary=wanted.candidate.vocabulary,
            train_flops=wanted.training.trial_flops,
            batch_tokens=recipe.batch_tokens,
            learning_rate=recipe.learning_rate,
            seed=recipe.seed,
            num_steps=recipe.num_steps,
            val_bpb=bpb,
            block_bits=tuple([4096 * bpb] * NUM_BLOCKS),
            collapsed={name: dict.fromkeys(COMPLETION_BYTES, digits) for name in DECODINGS_STUDIED},
            train_seconds=1.0,
        )


def study(val_bpb: Callable[[Wanted], float]) -> SignalStudy:
    candidates = spread_candidates(space(), SIZES, NUM_ARCHITECTURES)
    return SignalStudy(space(), candidates, Written(val_bpb))  # type: ignore[arg-type]


def by_width(wanted: Wanted) -> float:
    """The architecture alone decides: no seed, no budget."""
    return 3 - wanted.candidate.architecture.num_params / 1e6


def cells(table: str, first: str) -> list[str]:
    """The cells of the row that begins with `first`."""
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_all_tables_are_made_of_whole_rows() -> None:
    page = signal_tables.tables(study(by_width))
    assert page.count("\n## ") + 1 == 7
    for table in re.findall(r"(?:^\|.*\n?)+", page, flags=re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_a_figure_that_the_architecture_decides_is_all_signal() -> None:
    row = cells(signal_tables.signal_table(study(by_width)), "bits per byte")
    assert row[4:6] == ["1.00", "1.00"]


def test_a_figure_that_the_seed_decides_is_all_chance() -> None:
    # Every architecture has 1, 2 and 3 of 8 completions collapsed: mean 1/4, seed SD 1/8.
    row = cells(signal_tables.signal_table(study(by_width)), "collapse, greedy, 200 bytes")
    assert row[1:5] == ["0.250", "0.000", "0.125", "0.00"]


def test_the_budgets_get_evenly_spaced_ranks_with_the_best_and_the_worst() -> None:
    plan = study(by_width)
    ranked = plan.ranked()
    params = [one.architecture.num_params for one in ranked]
    assert params == sorted(params, reverse=True)
    for factor, (count, _) in ELSEWHERE.items():
        chosen = plan.chosen(factor)
        assert len(chosen) == count
        assert (chosen[0], chosen[-1]) == (ranked[0], ranked[-1])
    assert plan.chosen(3.0) == plan.chosen(1 / 3)


def test_another_budget_that_turns_the_ranking_round_has_a_correlation_of_minus_one() -> None:
    own = space().training.trial_flops

    def turned(wanted: Wanted) -> float:
        bpb = by_width(wanted)
        return bpb if wanted.training.trial_flops <= own else 6 - bpb

    table = signal_tables.budget_table(study(turned))
    assert cells(table, "3 C")[3] == "-1.00"
    assert cells(table, "0.333 C")[3] == "1.00"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_layers": 2, "hidden_dim": 32, "num_heads": 2, "vocab_size": 512}, []),
        ({"num_layers": 1, "hidden_dim": 32, "num_heads": 2, "vocab_size": 512}, []),  # no range goes below one layer
        ({"num_layers": 4, "hidden_dim": 16, "num_heads": 1, "vocab_size": 512}, ["num_layers", "hidden_dim"]),
        ({"num_layers": 2, "hidden_dim": 32, "num_heads": 2, "vocab_size": 1024}, ["vocab_size"]),
    ],
)
def test_the_ends_of_ranges_are_found(changes: dict[str, int], expected: list[str]) -> None:
    plan = study(by_width)
    architecture = plan.candidates[0].architecture.model_copy(update={**changes, "num_kv_heads": changes["num_heads"]})
    assert edges_hit(space(head_dim=16), Candidate(architecture, "bpe-512", 1.0)) == expected


def test_scores_stand_by_architecture_and_seed() -> None:
    plan = study(lambda wanted: wanted.candidate.architecture.num_layers + wanted.seed / 10)
    scores = plan.scores(lambda one: one.val_bpb)
    assert scores.shape == (NUM_ARCHITECTURES, len(SEEDS))
    layers = [one.architecture.num_layers for one in plan.candidates]
    assert np.allclose(scores, np.array(layers)[:, None] + np.array(SEEDS) / 10)
    assert plan.block_bits().shape == (NUM_ARCHITECTURES, len(SEEDS), NUM_BLOCKS)
    assert plan.collapsed("cool", 100).shape == (NUM_ARCHITECTURES, len(SEEDS), NUM_PROMPTS)


def test_a_study_that_is_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def run(self: Written, wanted: list[Wanted], num_workers: int, deadline: float) -> bool:
        asked.append(len(wanted))
        return len(asked) > 1

    monkeypatch.setattr(Written, "run", run, raising=False)
    plan = study(by_width)
    assert not plan.run(workers=2, deadline=0.0)
    assert plan.run(workers=2, deadline=0.0)
    own = NUM_ARCHITECTURES * len(SEEDS)
    assert asked == [own, own, sum(count * len(seeds) for count, seeds in ELSEWHERE.values())]


def test_the_figure_has_a_line_for_each_architecture_at_its_budgets() -> None:
    plan = study(by_width)
    points, *lines = signal_figure(plan).data
    assert len(points.y) == NUM_ARCHITECTURES * len(SEEDS)
    own = space().training.trial_flops
    names = {factor: {one.architecture.describe() for one in plan.chosen(factor)} for factor in ELSEWHERE}
    assert {line.name for line in lines} == set().union(*names.values())
    for line in lines:
        expected = sorted([1.0, *(factor for factor in ELSEWHERE if line.name in names[factor])])
        assert [x / own for x in line.x] == pytest.approx(expected)
