from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

import nas.data.prepare
from experiments.prediction import __main__ as prediction
from experiments.prediction.long_trainings import LongTraining, score_in_search, spread, summary
from experiments.trainings import TrainingSpec
from nas.architecture.config import ArchitectureConfig
from nas.records.study import read_study
from nas.records.trial import Cost, RungResult, TrialEnd, TrialRecord
from nas.scaling_law.fitted_law import Prediction, TargetChoice, TargetComparison


def trial(number: int, width: int, bpb: float, below: tuple[float, ...] = ()) -> TrialRecord:
    shape = ArchitectureConfig(
        num_layers=1, hidden_dim=width, num_heads=1, ffn_multiplier=1, vocab_size=256, max_seq_length=8
    )
    cost = Cost(
        num_params=shape.num_params,
        non_embedding_params=shape.non_embedding_params,
        train_flops_per_token=1,
        train_flops=1.0,
        train_tokens=1,
        train_bytes=1.0,
        train_steps=1,
    )
    return TrialRecord(
        number=number,
        end=TrialEnd.COMPLETE,
        point={},
        architecture=shape,
        vocabulary="bytes",
        lr_multiplier=1.0,
        seed=0,
        cost=cost,
        rungs=tuple(rung(number, bpb) for number, bpb in enumerate([*below, bpb])),
    )


def rung(number: int, bpb: float) -> RungResult:
    return RungResult(
        rung=number, train_flops=1.0, train_bytes=1.0, spent_flops=1.0, fitness=bpb, val_bpb=bpb, collapse_rate=0.0
    )


def test_the_front_is_chosen_and_the_rest_is_spread_over_the_ranking() -> None:
    widths = [64, 32, 16, *[64] * 9]
    trials = [trial(number, width, 1.5 + 0.01 * number) for number, width in enumerate(widths)]
    chosen = [record.number for record in spread(trials, 6)]
    assert chosen[:3] == [0, 1, 2], "the front of bits per byte and parameters"
    assert chosen[3:] == [3, 6, 9]
    assert [record.number for record in spread(trials, 40)] == list(range(12))


def test_stopped_trials_are_chosen_too_and_rank_by_their_rung() -> None:
    whole = [trial(number, 64, 1.5 + 0.01 * number, below=(2.0,)) for number in range(2)]
    stopped = [
        trial(number, 64, bpb).model_copy(update={"end": TrialEnd.STOPPED}) for number, bpb in ((2, 1.9), (3, 1.4))
    ]
    assert [record.number for record in spread([*stopped, *whole], 12)] == [0, 1, 3, 2]
    assert (score_in_search(whole[0]), score_in_search(stopped[0])) == ("1.500", "1.900 at rung 1")


def test_ranking_error_and_regret_by_hand() -> None:
    """The search ranks a, b, c; measured is c, b, a, so all three pairs are reversed, and the law has two right."""

    def trained(name: str, rank: int | None, predicted: float, measured: float) -> LongTraining:
        return LongTraining(name, "L1", rank, "", predicted, predicted - 0.05, predicted + 0.05, measured)

    trainings = [
        trained("trial 1", 0, 1.30, 1.32),
        trained("trial 2", 1, 1.31, 1.31),
        trained("trial 3", 2, 1.20, 1.30),
        trained("predicted best", None, 1.19, 1.25),
    ]
    shape = trial(0, 16, 1.0).architecture
    choice = TargetChoice(
        architecture=shape,
        vocabulary="bytes",
        lr_multiplier=1.0,
        point={},
        train_bytes=1.0,
        predicted=Prediction(bpb=1.19, low=1.14, high=1.24),
    )
    at = TargetComparison(target_flops=1e13, best=choice, searched=choice, win_probability=0.9, shortcomings=())
    lines = summary(trainings, at)
    assert re.findall(r"-?\d\.\d+", lines[0]) == ["-1.00", "0.33"]
    assert "0.040 bits per byte; 2 of 4" in lines[1]
    assert "bits per byte 5.6%, predicted best 0.0%. Exported is the predicted best." in lines[2]
    doubtful = at.model_copy(update={"shortcomings": ("too few trials",)})
    assert "Exported is the choice of the verdict" in summary(trainings, doubtful)[2]
    assert "(too few trials)" in summary(trainings, doubtful)[2]
    assert "At least two trials" in summary([trainings[0], trainings[3]], at)[0]


STUDY = Path(__file__).parent.parent.parent / "trials/reference/longer"


def test_the_predicted_best_alone_is_trained_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On a real study; the training itself is replaced."""
    corpus = read_study(STUDY / "study.json").corpus
    sizes = {name: vocabulary["size"] for name, vocabulary in corpus["vocabularies"].items()}
    train_bytes = corpus["splits"]["train"]["bytes"]
    data = SimpleNamespace(
        corpus_hash=corpus["content_hash"],
        manifest=corpus,
        vocabulary_sizes=sizes,
        bytes_per_token=lambda name: train_bytes / corpus["vocabularies"][name]["tokens"]["train"],
    )
    requested: list[TrainingSpec] = []

    class FakeTrainings:
        def __init__(self, *arguments: object) -> None:
            self.results: dict[str, SimpleNamespace] = {}

        def run(self, specs: Sequence[TrainingSpec], deadline: float) -> bool:
            requested.extend(specs)
            self.results = {spec.key: SimpleNamespace(val_bpb=1.25) for spec in specs}
            return True

    monkeypatch.setattr(nas.data.prepare, "prepare_data", lambda *arguments: data)
    monkeypatch.setattr("experiments.trainings.Trainings", FakeTrainings)
    assert prediction.main([str(STUDY), "--best-only", "--data", str(tmp_path / "x.jsonl")]) == 0
    (spec,) = requested
    assert spec.training.trial_flops == 10 * 4e12
    assert spec.training.num_rungs == 1
    output = capsys.readouterr().out
    assert output.startswith(f"{spec.candidate.architecture.describe()}: predicted 1.")
    assert output.endswith("measured 1.250\n")
