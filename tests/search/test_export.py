from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas.architecture.config import ArchitectureConfig
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.records.study import StudyRecord
from nas.records.trial import TrialRecord
from nas.scaling_law.fitted_law import Prediction, TargetChoice, TargetComparison
from nas.search.export import export_architectures
from nas.search.folder import StudyFolder
from nas.space.search_space import Candidate
from nas.tokenizer.vocabulary import Vocabulary
from nas.trial.task import RungTask
from tests.helpers.instant_objective import complete_record
from tests.helpers.spaces import tiny


@pytest.fixture(scope="module")
def data(corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return prepare_data(str(corpus_folder), ["bytes", "bpe-512"], cache=tmp_path_factory.mktemp("cache"))


def architecture(**changes: Any) -> ArchitectureConfig:
    shape = {"num_layers": 1, "hidden_dim": 32, "num_heads": 2, "ffn_multiplier": 2.0}
    return ArchitectureConfig(**{**shape, "vocab_size": 256, "max_seq_length": 64, **changes})


def trial(number: int, **changes: Any) -> TrialRecord:
    return complete_record(RungTask(Candidate(architecture(**changes), "bytes", 1.25), number, rung=0))


def choice(built: ArchitectureConfig, vocabulary: str, bpb: float) -> TargetChoice:
    predicted = Prediction(bpb=bpb, low=bpb - 0.1, high=bpb + 0.1)
    return TargetChoice(
        architecture=built, vocabulary=vocabulary, lr_multiplier=0.75, point={}, train_bytes=1e6, predicted=predicted
    )


def at_target(*shortcomings: str) -> TargetComparison:
    wide = architecture(hidden_dim=64, num_layers=2, vocab_size=512)
    return TargetComparison(
        target_flops=3e11,
        best=choice(wide, "bpe-512", 1.2),
        searched=choice(architecture(), "bytes", 1.4),
        win_probability=0.9,
        shortcomings=shortcomings,
    )


def study(at: TargetComparison | None) -> StudyRecord:
    return StudyRecord(
        name="mine",
        budget=2,
        complete=True,
        seed=0,
        collapse_weight=0.25,
        space=tiny().model_dump(mode="json"),
        identity={},
        corpus={"source": "here", "split_seed": 0},
        compressors={},
        at_target=at,
        provenance={},
    )


def exported(at: TargetComparison | None, data: PreparedData, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the exported files by name; each loads with its tokenizer."""
    records = [trial(0, hidden_dim=48), trial(1)]
    paths = export_architectures(StudyFolder(folder), study(at), records, data)
    assert paths[0] == folder / "arch.json"
    contents = {}
    for path in paths:
        content = json.loads(path.read_text())
        vocabulary = Vocabulary.load(path.parent / content["tokenizer"])
        assert ArchitectureConfig.load(path).vocab_size == vocabulary.size
        contents[path.relative_to(folder).as_posix()] = content
    return contents


def test_the_predicted_best_and_the_best_of_the_search_are_exported(data: PreparedData, tmp_path: Path) -> None:
    files = exported(at_target(), data, tmp_path)
    assert files.keys() >= {"arch.json", "best-at-search.json", "best-at-target.json", "front/trial-0000.json"}
    target = files["best-at-target.json"]
    assert files["arch.json"] == target
    assert target["architecture"]["hidden_dim"] == 64
    assert (target["vocabulary"], target["recipe"]["lr_multiplier"]) == ("bpe-512", 0.75)
    assert target["metrics"]["predicted_bpb_interval"] == [pytest.approx(1.1), pytest.approx(1.3)]
    assert target["provenance"]["trial"] is None, "it was never trained"
    assert target["provenance"]["why"] == "predicted best at 3e+11 training FLOPs"
    assert files["best-at-search.json"]["provenance"]["trial"] == 0
    assert files["best-at-search.json"]["architecture"]["hidden_dim"] == 48


def test_the_front_is_that_of_the_objectives(data: PreparedData, tmp_path: Path) -> None:
    """The wide trial collapses less and is worse otherwise: with one objective the front includes collapse."""
    records = [trial(0, hidden_dim=48), trial(1)]
    for objectives, names in ((["fitness"], ["trial-0001", "trial-0000"]), (["num_params", "fitness"], ["trial-0001"])):
        with_objectives = study(None).model_copy(update={"identity": {"objectives": objectives}})
        written = export_architectures(StudyFolder(tmp_path), with_objectives, _worse_when_wide(records), data)
        assert [path.stem for path in written if path.parent.name == "front"] == names


def _worse_when_wide(records: list[TrialRecord]) -> list[TrialRecord]:
    wide, narrow = records
    rung = wide.rungs[-1].model_copy(update={"fitness": 9.0, "val_bpb": 9.0, "collapse_rate": 0.0})
    return [wide.model_copy(update={"rungs": (rung,)}), narrow]


def test_without_a_trusted_prediction_the_best_of_the_search_is_exported(data: PreparedData, tmp_path: Path) -> None:
    files = exported(at_target("too few trials"), data, tmp_path)
    assert files["arch.json"] == files["best-at-search.json"]
    assert files["best-at-target.json"]["metrics"]["shortcomings"] == ["too few trials"]


def test_without_a_law_an_earlier_prediction_is_deleted(data: PreparedData, tmp_path: Path) -> None:
    exported(at_target(), data, tmp_path)
    files = exported(None, data, tmp_path)
    assert "best-at-target.json" not in files
    assert not (tmp_path / "best-at-target.json").exists()
    assert files["arch.json"]["provenance"]["trial"] == 0
