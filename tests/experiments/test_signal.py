from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from experiments.scoring import COMPLETION_BYTES, DECODINGS_STUDIED
from experiments.signal import tables as signal_tables
from experiments.signal.design import spread_candidates
from experiments.signal.figure import signal_figure
from experiments.signal.ranges import edges_hit
from experiments.signal.study import NUM_ARCHITECTURES, OTHER_BUDGETS, SEEDS, SignalStudy
from experiments.trainings import TrainingResult, TrainingSpec
from nas.space.search_space import Candidate
from tests.experiments.test_design import SIZES, space

NUM_BLOCKS = 16
NUM_PROMPTS = 8


def result(spec: TrainingSpec, val_bpb: float) -> TrainingResult:
    """Return the result of a training whose collapse depends on the seed alone."""
    digits = "1" * (spec.seed + 1) + "0" * (NUM_PROMPTS - spec.seed - 1)
    recipe = spec.recipe
    return TrainingResult(
        key=spec.key,
        architecture=spec.candidate.architecture,
        vocabulary=spec.candidate.vocabulary,
        train_flops=spec.training.trial_flops,
        batch_tokens=recipe.batch_tokens,
        learning_rate=recipe.learning_rate,
        seed=recipe.seed,
        num_steps=recipe.num_steps,
        val_bpb=val_bpb,
        block_bits=tuple([4096 * val_bpb] * NUM_BLOCKS),
        collapsed={name: dict.fromkeys(COMPLETION_BYTES, digits) for name in DECODINGS_STUDIED},
        train_seconds=1.0,
    )


def study(val_bpb: Callable[[TrainingSpec], float]) -> SignalStudy:
    """Return a study whose trainings have the bits per byte of a formula."""
    results: dict[str, TrainingResult] = {}
    plan = SignalStudy(space(), spread_candidates(space(), SIZES, NUM_ARCHITECTURES), results)
    for specs in (plan.own_budget_specs, plan.other_budget_specs):
        results |= {spec.key: result(spec, val_bpb(spec)) for spec in specs()}
    return plan


def by_width(spec: TrainingSpec) -> float:
    """Return bits per byte that the architecture alone decides, not the seed or the budget."""
    return 3 - spec.candidate.architecture.num_params / 1e6


def cells(table: str, first: str) -> list[str]:
    """Return the cells of the row that begins with `first`."""
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
    params = [candidate.architecture.num_params for candidate in ranked]
    assert params == sorted(params, reverse=True)
    for factor, (count, _) in OTHER_BUDGETS.items():
        chosen = plan.chosen(factor)
        assert len(chosen) == count
        assert (chosen[0], chosen[-1]) == (ranked[0], ranked[-1])
    assert plan.chosen(3.0) == plan.chosen(1 / 3)


def test_another_budget_that_reverses_the_ranking_has_a_correlation_of_minus_one() -> None:
    own = space().training.trial_flops

    def reversed_above(spec: TrainingSpec) -> float:
        bpb = by_width(spec)
        return bpb if spec.training.trial_flops <= own else 6 - bpb

    table = signal_tables.budget_table(study(reversed_above))
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


def test_scores_are_by_architecture_and_seed() -> None:
    plan = study(lambda spec: spec.candidate.architecture.num_layers + spec.seed / 10)
    scores = plan.scores(lambda trained: trained.val_bpb)
    assert scores.shape == (NUM_ARCHITECTURES, len(SEEDS))
    layers = [candidate.architecture.num_layers for candidate in plan.candidates]
    assert np.allclose(scores, np.array(layers)[:, None] + np.array(SEEDS) / 10)
    assert plan.block_bits().shape == (NUM_ARCHITECTURES, len(SEEDS), NUM_BLOCKS)
    assert plan.collapsed("cool", 100).shape == (NUM_ARCHITECTURES, len(SEEDS), NUM_PROMPTS)


def test_other_budgets_are_planned_when_the_own_one_is_done() -> None:
    plan = study(by_width)
    assert len(plan.own_budget_specs()) == NUM_ARCHITECTURES * len(SEEDS)
    assert len(plan.other_budget_specs()) == sum(count * len(seeds) for count, seeds in OTHER_BUDGETS.values())
    with pytest.raises(KeyError):
        SignalStudy(plan.space, plan.candidates, {}).other_budget_specs()


def test_the_figure_has_a_line_for_each_architecture_at_its_budgets() -> None:
    plan = study(by_width)
    points, *lines = signal_figure(plan).data
    assert len(points.y) == NUM_ARCHITECTURES * len(SEEDS)
    own = space().training.trial_flops
    names = {
        factor: {candidate.architecture.describe() for candidate in plan.chosen(factor)} for factor in OTHER_BUDGETS
    }
    assert {line.name for line in lines} == set().union(*names.values())
    for line in lines:
        expected = sorted([1.0, *(factor for factor in OTHER_BUDGETS if line.name in names[factor])])
        assert [x / own for x in line.x] == pytest.approx(expected)
