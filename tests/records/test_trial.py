from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nas.architecture.config import ArchitectureConfig
from nas.errors import StudyError
from nas.records.trial import Cost, Metrics, RungResult, TrialEnd, TrialRecord, completed, front, read_trials

ARCHITECTURE = ArchitectureConfig(
    num_layers=1, hidden_dim=16, num_heads=2, ffn_multiplier=2.0, vocab_size=256, max_seq_length=32
)


def metrics(bpb: float = 2.0, **changes: Any) -> Metrics:
    values: dict[str, Any] = {
        "bpb": bpb,
        "perplexity": 4.0,
        "num_bytes": 1000,
        "num_prompts": 8,
        "sampled_collapse_rate": 0.25,
        "greedy_collapse_rate": 0.75,
        "collapse_rules": {"sampled": {"loop": 2}, "greedy": {"blank": 1, "loop": 5}},
    }
    return Metrics(**values | changes)


def rung(place: int = 0, **changes: Any) -> RungResult:
    values: dict[str, Any] = {
        "rung": place,
        "train_flops": 1 / 3,
        "train_bytes": 10.5,
        "spent_flops": 1 / 3,
        "fitness": 2.5,
        "val_bpb": 2.0,
        "collapse_rate": 0.5,
        "validation": metrics(),
    }
    return RungResult(**values | changes)


def complete_trial(number: int, **changes: Any) -> TrialRecord:
    """Return a trial of one rung; `changes` of scores apply to that rung."""
    scores = {key: changes.pop(key) for key in [*changes] if key in RungResult.model_fields}
    values: dict[str, Any] = {
        "number": number,
        "end": TrialEnd.COMPLETE,
        "point": {"num_layers": 1, "lr_multiplier": 1.0, "qk_norm": False, "activation": "gelu"},
        "architecture": ARCHITECTURE,
        "vocabulary": "bytes",
        "lr_multiplier": 1.0,
        "learning_rate": 0.01,
        "seed": 3,
        "rungs": (rung(**scores),),
        "cost": Cost(
            num_params=1,
            non_embedding_params=1,
            train_flops_per_token=6,
            train_flops=1 / 3,
            train_tokens=10,
            train_bytes=10.5,
            train_steps=5,
        ),
    }
    return TrialRecord(**values | changes)


def pruned_trial(number: int, reason: str = "too large") -> TrialRecord:
    return TrialRecord(
        number=number,
        end=TrialEnd.OVER_LIMIT,
        reason=reason,
        point={},
        architecture=ARCHITECTURE,
        vocabulary="bytes",
        lr_multiplier=1.0,
        seed=3,
    )


def write_lines(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(lines).encode())
    return path


def line(record: TrialRecord) -> str:
    return record.model_dump_json() + "\n"


@pytest.mark.parametrize("record", [complete_trial(4), pruned_trial(7, "é\u2028\u2029\x85\nsecond line")])
def test_a_record_survives_a_round_trip_through_json(tmp_path: Path, record: TrialRecord) -> None:
    path = write_lines(tmp_path / "trials.jsonl", line(record))
    assert read_trials(path) == [record]


def test_records_are_sorted_by_number_and_the_last_line_of_a_number_counts(tmp_path: Path) -> None:
    again = complete_trial(1, fitness=9.0)
    path = write_lines(
        tmp_path / "trials.jsonl", line(pruned_trial(2)), line(complete_trial(1)), line(pruned_trial(0)), line(again)
    )
    assert read_trials(path) == [pruned_trial(0), again, pruned_trial(2)]


def test_an_empty_file_has_no_trials(tmp_path: Path) -> None:
    assert read_trials(write_lines(tmp_path / "trials.jsonl")) == []


def test_a_truncated_last_line_is_left_out(tmp_path: Path) -> None:
    last = line(pruned_trial(1, "é")).encode()
    path = tmp_path / "trials.jsonl"
    inside_a_character = last.index("é".encode()) + 1
    for kept in (1, 2, 20, inside_a_character, len(last) - 3, len(last) - 2):
        path.write_bytes(line(complete_trial(0)).encode() + last[:kept])
        assert read_trials(path) == [complete_trial(0)], last[:kept]
    path.write_bytes(line(complete_trial(0)).encode() + last.removesuffix(b"\n"))
    assert read_trials(path) == [complete_trial(0), pruned_trial(1, "é")]


@pytest.mark.parametrize("damaged", ['{"number": 0, "sta\n', "\n", "[]\n", "é\n"])
def test_a_damaged_line_before_the_last_is_an_error_that_names_it(tmp_path: Path, damaged: str) -> None:
    path = write_lines(tmp_path / "trials.jsonl", line(complete_trial(0)), damaged, line(complete_trial(1)))
    with pytest.raises(StudyError, match=r"trials.jsonl, line 2: record") as caught:
        read_trials(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("last", ["{}", '{"number": 3}', "[1]", "7"])
def test_a_last_line_of_json_that_is_not_a_record_is_an_error(tmp_path: Path, last: str) -> None:
    path = write_lines(tmp_path / "trials.jsonl", line(complete_trial(0)), last)
    with pytest.raises(StudyError, match="line 2"):
        read_trials(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="No such file"):
        read_trials(tmp_path / "trials.jsonl")


@pytest.mark.parametrize("key", ["rungs", "cost"])
def test_a_complete_trial_has_results(key: str) -> None:
    with pytest.raises(ValidationError, match=f"COMPLETE.*{key}"):
        complete_trial(0, **{key: () if key == "rungs" else None})


def test_the_scores_of_a_complete_trial_are_those_of_its_top_rung() -> None:
    record = complete_trial(0, rungs=(rung(0, val_bpb=3.0), rung(1, val_bpb=1.5, collapse_rate=0.25, fitness=1.75)))
    assert (record.fitness, record.val_bpb, record.collapse_rate) == (1.75, 1.5, 0.25)
    assert record.validation == metrics()
    assert record.scores["val_bpb"] == 1.5


@pytest.mark.parametrize("end", [end for end in TrialEnd if end is not TrialEnd.COMPLETE])
def test_a_trial_that_is_not_complete_has_no_scores_of_its_own(end: TrialEnd) -> None:
    record = complete_trial(0).ended(end, "why")
    assert (record.end, record.reason, record.is_complete) == (end, "why", False)
    assert (record.fitness, record.val_bpb, record.collapse_rate, record.validation) == (None,) * 4
    assert record.scores == {}
    assert record.rungs == complete_trial(0).rungs, "its results stay in its rungs"


def test_the_state_for_optuna_follows_from_the_end() -> None:
    assert TrialEnd.COMPLETE.state == "COMPLETE"
    assert TrialEnd.FAULT.state == "FAIL"
    assert {end.state for end in TrialEnd if end not in (TrialEnd.COMPLETE, TrialEnd.FAULT)} == {"PRUNED"}


def test_scores_are_stored_only_in_the_rungs() -> None:
    stored = json.loads(complete_trial(0).model_dump_json())
    assert not {"state", "fitness", "val_bpb", "collapse_rate", "validation"} & stored.keys()
    assert (stored["end"], stored["rungs"][-1]["val_bpb"]) == ("complete", 2.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", ["fitness", "val_bpb", "collapse_rate", "learning_rate", "lr_multiplier"])
def test_a_number_that_json_does_not_have_is_refused(key: str, value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        complete_trial(0, **{key: value})
    with pytest.raises(ValidationError, match="finite number"):
        metrics(value)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="fitnes"):
        complete_trial(0, fitnes=1.0)


def test_the_collapse_rate_is_that_of_the_worse_decoding() -> None:
    assert metrics().collapse_rate == 0.75
    assert metrics(sampled_collapse_rate=0.9).collapse_rate == 0.9


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 2.0), (1.0, 2.5), (4.0, 4.0)])
def test_another_collapse_weight_changes_only_the_fitness(weight: float, expected: float) -> None:
    record = complete_trial(0)
    again = record.reweighted(weight)
    assert again.fitness == expected
    others = {"rungs": {0: {"fitness"}}}
    assert again.model_dump(exclude=others) == record.model_dump(exclude=others)


def test_another_collapse_weight_does_not_change_a_trial_without_results() -> None:
    assert pruned_trial(0).reweighted(2.0) == pruned_trial(0)


def test_bits_per_byte_on_novel_lines_are_a_score_if_there_are_novel_lines() -> None:
    assert "val_novel_bpb" not in complete_trial(0).scores
    record = complete_trial(0, validation=metrics(novel_bpb=2.25, novel_num_bytes=300))
    assert record.scores["val_novel_bpb"] == record.val_novel_bpb == 2.25
    assert pruned_trial(0).val_novel_bpb is None


def test_measured_figures_are_not_reproducible() -> None:
    kept = complete_trial(0).reproducible()
    assert "measured" not in kept
    assert kept["rungs"][0]["validation"]["bpb"] == 2.0


def test_completed_trials_are_sorted_by_fitness_and_then_by_number() -> None:
    records = [complete_trial(3, fitness=2.0), pruned_trial(0), complete_trial(2, fitness=1.0)]
    records.append(complete_trial(1, fitness=2.0))
    assert [record.number for record in completed(records)] == [2, 1, 3]


def test_the_front_is_in_bits_per_byte_collapse_and_parameters() -> None:
    wide = ARCHITECTURE.model_copy(update={"hidden_dim": 32})
    records = [
        complete_trial(0, val_bpb=2.0, collapse_rate=0.5, fitness=2.5),
        complete_trial(1, val_bpb=2.1, collapse_rate=0.5, fitness=2.6),  # beaten by 0
        complete_trial(2, val_bpb=1.9, collapse_rate=0.5, fitness=2.4, architecture=wide),
        complete_trial(3, val_bpb=2.0, collapse_rate=0.5, fitness=2.5, architecture=wide),  # beaten by 0 and 2
        complete_trial(4, val_bpb=3.0, collapse_rate=0.0, fitness=3.0),
        pruned_trial(5),
    ]
    assert [record.number for record in front(records)] == [2, 0, 4]
