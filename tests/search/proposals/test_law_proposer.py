from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nas.architecture.config import ArchitectureConfig
from nas.errors import UsageError
from nas.records.trial import Measured, RungResult, TrialEnd, TrialRecord
from nas.search.callable_objective import Scores, run_study
from nas.search.driver import Budget
from nas.search.proposals.law_proposer import LawProposer, tokens_per_character
from nas.search.proposals.samplers import choose_sampler
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


def bpb(option: Candidate, train_flops: float) -> float:
    """Return bits per byte of a law by hand: size and data trade off, so every budget has a best width."""
    size = option.architecture.non_embedding_params
    data = train_flops / option.architecture.train_flops_per_token()
    return 0.6 + (2e4 / size) ** 0.4 * 0.5 + (1e6 / data) ** 0.4 * 0.5


def record(
    number: int, option: Candidate, rungs: int, collapse: float | Sequence[float] = 0.3, decode_ms: float | None = None
) -> TrialRecord:
    """Return a stopped trial; `collapse` is the rate at all rungs, or a rate for each."""
    at_rung = [collapse] * rungs if isinstance(collapse, float) else collapse
    results = tuple(
        RungResult(
            rung=rung,
            train_flops=flops,
            train_bytes=None,
            spent_flops=flops,
            fitness=bpb(option, flops),
            val_bpb=bpb(option, flops),
            collapse_rate=at_rung[rung],
        )
        for rung, flops in enumerate(TRAINING.rung_flops[:rungs])
    )
    return TrialRecord(
        number=number,
        end=TrialEnd.STOPPED,
        point={},
        architecture=option.architecture,
        vocabulary=option.vocabulary,
        lr_multiplier=option.lr_multiplier,
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


def test_the_best_at_the_top_is_found_from_lower_rungs() -> None:
    """Two trials in three never reached the top; at the lowest rung, narrower architectures are best."""
    pool = [candidate(width) for width in WIDTHS]
    records = [record(number, option, 1 if number % 3 else 3) for number, option in enumerate(pool)]
    law = LawProposer(records, SPACE, 0.25)
    best = int(np.argmin([bpb(option, TRAINING.rung_flops[-1]) for option in pool]))
    lowest = int(np.argmin([bpb(option, TRAINING.rung_flops[0]) for option in pool]))
    assert lowest < best
    chosen = [law.choose(pool, seed) for seed in range(20)]
    assert abs(float(np.median(chosen)) - best) <= 1
    assert [law.choose(pool, seed) for seed in range(20)] == chosen


def test_draws_vary_more_after_fewer_trials() -> None:
    pool = [candidate(width) for width in WIDTHS]
    few = LawProposer([record(number, pool[number], 1) for number in (3, 4, 5)], SPACE, 0.25)
    many = [record(number, option, 3) for number, option in enumerate(pool)] * 3
    sure = LawProposer(many, SPACE, 0.25)
    chosen_after_few = {few.choose(pool, seed) for seed in range(30)}
    chosen_after_many = {sure.choose(pool, seed) for seed in range(30)}
    assert len(chosen_after_few) > len(chosen_after_many)


def test_an_architecture_that_collapses_is_avoided_because_of_its_price() -> None:
    collapsing, sound = candidate(96, position="alibi"), candidate(96)
    records = [
        record(number, candidate(width, position=position), 3, collapse=0.9 if position == "alibi" else 0.1)
        for number, (width, position) in enumerate((w, p) for w in WIDTHS[:8] for p in ("alibi", "rope"))
    ]
    chosen = [LawProposer(records, SPACE, 2.0).choose([collapsing, sound], seed) for seed in range(10)]
    assert chosen == [1] * 10


def test_collapse_at_low_rungs_is_compared_within_the_rung() -> None:
    """At the first rung wide models collapse more; those that were promoted collapse less at the top than any below."""
    stopped = [*((width, 0.8) for width in (32, 48, 64, 80)), *((width, 0.9) for width in (96, 128, 160, 192))]
    records = [record(number, candidate(width), 1, [rate]) for number, (width, rate) in enumerate(stopped)]
    records += [record(number, candidate(width), 3, [0.9, 0.7, 0.6]) for number, width in enumerate((112, 144, 176), 8)]
    law = LawProposer(records, SPACE, 50.0)
    assert [law.choose([candidate(192), candidate(40)], seed) for seed in range(10)] == [1] * 10


@pytest.mark.parametrize("limit", [{"max_collapse_rate": 0.3}, {"max_decode_ms_per_token": 2.0}])
def test_an_architecture_predicted_to_exceed_a_measured_limit_is_not_chosen(limit: dict[str, float]) -> None:
    """The best one, of width 48, exceeds both limits, as do all widths below 60."""
    records = [
        record(number, candidate(width), 3, 0.9 if width < 60 else 0.1, decode_ms=4.0 if width < 60 else 1.0)
        for number, width in enumerate(WIDTHS)
    ]
    space = SPACE.model_copy(update={"constraints": ConstraintsSection(**limit)})
    pool = [candidate(width) for width in (48, 160, 320)]
    assert {LawProposer(records, SPACE, 0.0).choose(pool, seed) for seed in range(10)} == {0}
    assert {LawProposer(records, space, 0.0).choose(pool, seed) for seed in range(10)} == {1}


def test_tokens_hold_more_text_the_larger_the_vocabulary() -> None:
    """The published fit at 8,192: 0.00639 x 81.2 - 0.158 x 9.01 + 1.205."""
    assert tokens_per_character(8192) == pytest.approx(0.00639 * math.log(8192) ** 2 - 0.158 * math.log(8192) + 1.205)
    shares = [tokens_per_character(size) for size in (512, 1024, 4096, 16384)]
    assert shares == sorted(shares, reverse=True)
    assert tokens_per_character(256) == tokens_per_character(300), "the fit does not extend to characters and bytes"


@pytest.mark.parametrize("objective", ["val_bpb", "fitness"])
def test_a_search_by_law_is_repeatable(objective: str) -> None:
    space = tiny()
    training = space.training.model_copy(update={"trial_flops": 9e10, "num_rungs": 3})
    space = space.model_copy(update={"training": training})

    def score(option: Candidate, train_flops: float, seed: int) -> Scores:
        return Scores(bpb(option, train_flops), 0.2)

    def records() -> list[dict[str, Any]]:
        result = run_study(space, score, Budget(20), sampler="law", objectives=[objective])
        return [record.reproducible() for record in result.records]

    first = records()
    assert len({str(record["architecture"]) for record in first}) == 20
    assert records() == first


@pytest.mark.parametrize(
    ("objectives", "sampler"),
    [(["fitness"], "law"), (["val_bpb"], "law"), (["collapse_rate"], "tpe"), (["val_bpb", "num_params"], "gp")],
)
def test_the_law_proposes_for_objectives_that_it_predicts(objectives: list[str], sampler: str) -> None:
    assert choose_sampler(None, objectives) == sampler
    assert choose_sampler("random", objectives) == "random"
    if sampler != "law":
        with pytest.raises(UsageError, match=rf"law predicts only fitness or val_bpb.*'{','.join(objectives)}'"):
            choose_sampler("law", objectives)
