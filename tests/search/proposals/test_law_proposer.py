from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from nas.architecture.config import ArchitectureConfig
from nas.errors import UsageError
from nas.records.trial import Measured, RungResult, TrialEnd, TrialRecord
from nas.search.driver import Budget
from nas.search.proposals.law_proposer import LawProposer, tokens_per_character
from nas.search.proposals.samplers import chosen_sampler
from nas.search.run_study import Scores, run_study
from nas.space.search_space import Candidate
from nas.space.sections import ConstraintsSection, TrainingSection
from tests.helpers.spaces import tiny

TRAINING = TrainingSection(trial_flops=9e11, num_rungs=3, max_seq_length=64, batch_tokens=512)
SPACE = tiny().model_copy(update={"training": TRAINING})


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


def record(
    number: int, one: Candidate, rungs: int, collapse: float | Sequence[float] = 0.3, decode_ms: float | None = None
) -> TrialRecord:
    """`collapse`: at all rungs, or at each."""
    at_rung = [collapse] * rungs if isinstance(collapse, float) else collapse
    results = tuple(
        RungResult(
            rung=rung,
            train_flops=flops,
            train_bytes=None,
            spent_flops=flops,
            fitness=bpb(one, flops),
            val_bpb=bpb(one, flops),
            collapse_rate=at_rung[rung],
        )
        for rung, flops in enumerate(TRAINING.rung_flops[:rungs])
    )
    return TrialRecord(
        number=number,
        end=TrialEnd.STOPPED,
        point={},
        architecture=one.architecture,
        vocabulary=one.vocabulary,
        lr_multiplier=one.lr_multiplier,
        seed=0,
        rungs=results,
        measured=None if decode_ms is None else measured(decode_ms),
    )


def measured(decode_ms: float) -> Measured:
    return Measured(
        started="2026-01-02T03:04:05Z",
        total_seconds=1.0,
        train_seconds=1.0,
        evaluate_seconds=0.0,
        generate_seconds=0.0,
        train_tokens_per_second=1.0,
        decode_ms_per_token=decode_ms,
        peak_memory_bytes=1,
    )


WIDTHS = [16, 32, 48, 64, 96, 128, 160, 192, 256, 320]


def test_what_is_best_at_the_top_is_found_from_what_lies_below() -> None:
    """Two trials in three never came to the top; at the lowest rung narrower ones are best."""
    pool = [candidate(width) for width in WIDTHS]
    records = [record(number, one, 1 if number % 3 else 3) for number, one in enumerate(pool)]
    law = LawProposer(records, SPACE, 0.25)
    best = int(np.argmin([bpb(one, TRAINING.rung_flops[-1]) for one in pool]))
    lowest = int(np.argmin([bpb(one, TRAINING.rung_flops[0]) for one in pool]))
    assert lowest < best
    chosen = [law.best_of(pool, seed) for seed in range(20)]
    assert abs(float(np.median(chosen)) - best) <= 1
    assert [law.best_of(pool, seed) for seed in range(20)] == chosen


def test_draws_differ_where_little_is_known() -> None:
    pool = [candidate(width) for width in WIDTHS]
    few = LawProposer([record(number, pool[number], 1) for number in (3, 4, 5)], SPACE, 0.25)
    many = [record(number, one, 3) for number, one in enumerate(pool)] * 3
    sure = LawProposer(many, SPACE, 0.25)
    unsettled = {few.best_of(pool, seed) for seed in range(30)}
    settled = {sure.best_of(pool, seed) for seed in range(30)}
    assert len(unsettled) > len(settled)


def test_what_collapses_is_avoided_by_its_price() -> None:
    looping, sound = candidate(96, position="alibi"), candidate(96)
    records = [
        record(number, candidate(width, position=position), 3, collapse=0.9 if position == "alibi" else 0.1)
        for number, (width, position) in enumerate((w, p) for w in WIDTHS[:8] for p in ("alibi", "rope"))
    ]
    chosen = [LawProposer(records, SPACE, 2.0).best_of([looping, sound], seed) for seed in range(10)]
    assert chosen == [1] * 10


def test_what_was_stopped_is_not_taken_to_collapse_for_that() -> None:
    """Of the first rung's the wide, which collapse more, went on, and collapse less at the top than any did there."""
    stopped = [*((width, 0.8) for width in (32, 48, 64, 80)), *((width, 0.9) for width in (96, 128, 160, 192))]
    records = [record(number, candidate(width), 1, [rate]) for number, (width, rate) in enumerate(stopped)]
    records += [record(number, candidate(width), 3, [0.9, 0.7, 0.6]) for number, width in enumerate((112, 144, 176), 8)]
    law = LawProposer(records, SPACE, 50.0)
    assert [law.best_of([candidate(192), candidate(40)], seed) for seed in range(10)] == [1] * 10


@pytest.mark.parametrize("limit", [{"max_collapse_rate": 0.3}, {"max_decode_ms_per_token": 2.0}])
def test_what_is_expected_over_a_measured_limit_is_not_proposed(limit: dict[str, float]) -> None:
    """The best, of width 48, is over both as all below 60 are."""
    records = [
        record(number, candidate(width), 3, 0.9 if width < 60 else 0.1, decode_ms=4.0 if width < 60 else 1.0)
        for number, width in enumerate(WIDTHS)
    ]
    space = SPACE.model_copy(update={"constraints": ConstraintsSection(**limit)})
    pool = [candidate(width) for width in (48, 160, 320)]
    assert {LawProposer(records, SPACE, 0.0).best_of(pool, seed) for seed in range(10)} == {0}
    assert {LawProposer(records, space, 0.0).best_of(pool, seed) for seed in range(10)} == {1}


def test_tokens_hold_more_text_the_larger_the_vocabulary() -> None:
    """The published fit at 8,192: 0.00639 x 81.2 - 0.158 x 9.01 + 1.205."""
    assert tokens_per_character(8192) == pytest.approx(0.00639 * math.log(8192) ** 2 - 0.158 * math.log(8192) + 1.205)
    shares = [tokens_per_character(size) for size in (512, 1024, 4096, 16384)]
    assert shares == sorted(shares, reverse=True)
    assert tokens_per_character(256) == tokens_per_character(300), "characters and bytes: no further than the fit"


@pytest.mark.parametrize("objective", ["val_bpb", "fitness"])
def test_a_search_by_law_is_repeatable(objective: str) -> None:
    space = tiny()
    training = space.training.model_copy(update={"trial_flops": 9e10, "num_rungs": 3})
    space = space.model_copy(update={"training": training})

    def score(one: Candidate, train_flops: float, seed: int) -> Scores:
        return Scores(bpb(one, train_flops), 0.2)

    def found() -> list[object]:
        result = run_study(space, score, Budget(20), sampler="law", objectives=[objective])
        return [one.reproducible() for one in result.records]

    first = found()
    assert len({str(one["architecture"]) for one in first if isinstance(one, dict)}) == 20
    assert found() == first


@pytest.mark.parametrize(
    ("objectives", "sampler"),
    [(["fitness"], "law"), (["val_bpb"], "law"), (["collapse_rate"], "tpe"), (["val_bpb", "num_params"], "gp")],
)
def test_the_law_proposes_where_it_tells_of_the_objective(objectives: list[str], sampler: str) -> None:
    assert chosen_sampler(None, objectives) == sampler
    assert chosen_sampler("random", objectives) == "random"
    if sampler != "law":
        with pytest.raises(UsageError, match=r"^--sampler law proposes for fitness or val_bpb alone, not for '"):
            chosen_sampler("law", objectives)
