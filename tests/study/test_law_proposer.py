from __future__ import annotations

import math

import numpy as np
import pytest

from nas.architecture import ArchitectureConfig
from nas.records import RungResult, TrialRecord
from nas.space import Candidate
from nas.space_sections import TrainingSection
from nas.study.driver import Budget
from nas.study.law_proposer import LawProposer, tokens_per_character
from nas.study.run_study import Scores, run_study

from .spaces import tiny

TRAINING = TrainingSection(flops_per_trial=9e11, num_rungs=3, max_seq_length=64, batch_tokens=512)


def candidate(width: int, layers: int = 2, position: str = "rope") -> Candidate:
    shape = ArchitectureConfig(
        num_layers=layers,
        hidden_dim=width,
        num_heads=2,
        ffn_multiplier=3.0,
        vocab_size=1024,
        max_seq_length=64,
        position_encoding=position,
    )
    return Candidate(shape, "bpe-1024", 1.0)


def bpb(one: Candidate, train_flops: float) -> float:
    """A law by hand: size and data trade off, so that there is a best width at every budget."""
    size = one.architecture.non_embedding_params
    data = train_flops / one.architecture.train_flops_per_token()
    return 0.6 + (2e4 / size) ** 0.4 * 0.5 + (1e6 / data) ** 0.4 * 0.5


def record(number: int, one: Candidate, rungs: int, collapse: float = 0.3) -> TrialRecord:
    results = tuple(
        RungResult(
            rung=rung,
            train_flops=flops,
            train_bytes=None,
            spent_flops=flops,
            fitness=bpb(one, flops),
            val_bpb=bpb(one, flops),
            collapse_rate=collapse,
        )
        for rung, flops in enumerate(TRAINING.rung_flops[:rungs])
    )
    return TrialRecord(
        number=number,
        state="PRUNED",
        architecture=one.architecture,
        vocabulary=one.vocabulary,
        lr_multiplier=one.lr_multiplier,
        seed=0,
        rungs=results,
    )


WIDTHS = [16, 32, 48, 64, 96, 128, 160, 192, 256, 320]


def test_what_is_best_at_the_top_is_found_from_what_lies_below() -> None:
    """Two trials in three never came to the top; at the lowest rung narrower ones are best."""
    pool = [candidate(width) for width in WIDTHS]
    records = [record(number, one, 1 if number % 3 else 3) for number, one in enumerate(pool)]
    law = LawProposer(records, TRAINING, 0.25)
    best = int(np.argmin([bpb(one, TRAINING.rung_flops[-1]) for one in pool]))
    lowest = int(np.argmin([bpb(one, TRAINING.rung_flops[0]) for one in pool]))
    assert lowest < best
    chosen = [law.best_of(pool, seed) for seed in range(20)]
    assert abs(float(np.median(chosen)) - best) <= 1
    assert [law.best_of(pool, seed) for seed in range(20)] == chosen


def test_draws_differ_where_little_is_known() -> None:
    pool = [candidate(width) for width in WIDTHS]
    few = LawProposer([record(number, pool[number], 1) for number in (3, 4, 5)], TRAINING, 0.25)
    many = [record(number, one, 3) for number, one in enumerate(pool)] * 3
    sure = LawProposer(many, TRAINING, 0.25)
    unsettled = {few.best_of(pool, seed) for seed in range(30)}
    settled = {sure.best_of(pool, seed) for seed in range(30)}
    assert len(unsettled) > len(settled)


def test_what_collapses_is_avoided_by_its_price() -> None:
    looping, sound = candidate(96, position="alibi"), candidate(96)
    records = [
        record(number, candidate(width, position=position), 3, collapse=0.9 if position == "alibi" else 0.1)
        for number, (width, position) in enumerate((w, p) for w in WIDTHS[:8] for p in ("alibi", "rope"))
    ]
    chosen = [LawProposer(records, TRAINING, 2.0).best_of([looping, sound], seed) for seed in range(10)]
    assert chosen == [1] * 10


def test_tokens_hold_more_text_the_larger_the_vocabulary() -> None:
    """The published fit at 8,192: 0.00639 x 81.2 - 0.158 x 9.01 + 1.205."""
    assert tokens_per_character(8192) == pytest.approx(0.00639 * math.log(8192) ** 2 - 0.158 * math.log(8192) + 1.205)
    shares = [tokens_per_character(size) for size in (512, 1024, 4096, 16384)]
    assert shares == sorted(shares, reverse=True)
    assert tokens_per_character(256) == tokens_per_character(300), "characters and bytes: no further than the fit"


@pytest.mark.parametrize("objectives", [("val_bpb",), ("val_bpb", "num_params")], ids=["one", "two"])
def test_a_search_by_law_is_repeatable_and_takes_any_objectives(objectives: tuple[str, ...]) -> None:
    space = tiny()
    training = space.training.model_copy(update={"flops_per_trial": 9e10, "num_rungs": 3})
    space = space.model_copy(update={"training": training})

    def score(one: Candidate, train_flops: float, seed: int) -> Scores:
        return Scores(bpb(one, train_flops), 0.2)

    def found() -> list[object]:
        result = run_study(space, score, Budget(20), sampler="law", objectives=objectives)
        return [one.reproducible() for one in result.records]

    first = found()
    assert len({str(one["architecture"]) for one in first if isinstance(one, dict)}) == 20
    assert found() == first
