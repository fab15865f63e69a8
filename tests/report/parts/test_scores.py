from __future__ import annotations

from nas.records.trial import Cost, RungResult, TrialEnd, TrialRecord
from nas.report.parts.scores import at_widest_rung
from tests.helpers.report_studies import metrics
from tests.helpers.tiny_models import tiny


def trial(number: int, *bpbs: float, stopped: bool = True, reference: str | None = None) -> TrialRecord:
    rungs = tuple(
        RungResult(
            rung=rung,
            train_flops=10.0 ** (rung + 11),
            train_bytes=1.0,
            spent_flops=1.0,
            fitness=bpb + 0.1,
            val_bpb=bpb,
            collapse_rate=0.4,
            validation=metrics(bpb, 0.3, 0.4),
        )
        for rung, bpb in enumerate(bpbs)
    )
    cost = Cost(
        num_params=1,
        non_embedding_params=1,
        train_flops_per_token=1,
        train_flops=1.0,
        train_tokens=1,
        train_bytes=1.0,
        train_steps=1,
    )
    return TrialRecord(
        number=number,
        end=TrialEnd.STOPPED if stopped else TrialEnd.COMPLETE,
        reason="stopped" if stopped else None,
        reference=reference,
        point={},
        architecture=tiny(),
        vocabulary="bytes",
        lr_multiplier=1.0,
        seed=0,
        cost=cost,
        rungs=rungs,
    )


def test_if_few_trials_reach_the_top_a_lower_rung_with_enough_trials_is_shown() -> None:
    whole = [trial(number, 2.0, 1.8, 1.6, stopped=False) for number in range(4)]
    second = [trial(number, 2.1, 1.9) for number in range(4, 10)]
    first = [trial(number, 2.2) for number in range(10, 15)]
    shown, said = at_widest_rung([*whole, *second, *first], 10)
    assert [record.number for record in shown] == list(range(10))
    assert {(round(record.fitness or 0, 9), record.val_bpb) for record in shown} == {(1.9, 1.8), (2.0, 1.9)}
    assert all(record.is_complete for record in shown)
    assert all(record.validation is not None and record.validation.bpb == record.val_bpb for record in shown)
    assert all(fact in said for fact in ("4 trials", "10 trials", "rung 2 of 3", "1e+12 FLOPs"))


def test_enough_trials_at_the_top_or_too_few_everywhere_do_not_change_the_records() -> None:
    for records in (
        [trial(number, 2.0, 1.8, stopped=False) for number in range(10)] + [trial(11, 2.2)],
        [trial(0, 2.0, 1.8, stopped=False), *(trial(number, 2.2) for number in range(1, 9))],
        [trial(number, 2.0, 1.8, stopped=False, reference="llama") for number in range(10)],
        [],
    ):
        assert at_widest_rung(records, 10) == (records, "")
