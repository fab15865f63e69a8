"""`python -m experiments.prediction`: how good the scaling law's predictions are at ten times a search's FLOPs.

Architectures spread over the ranking of a finished study with rungs, and the law's own best, are trained with ten times
the FLOPs of the top rung. Does the search's ranking hold there, did the law predict it, and what is the regret of the
architecture that would have been exported?
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import options
from nas import cli

if TYPE_CHECKING:
    from experiments.prediction.long_trainings import LongTraining
    from nas.data.prepared import PreparedData
    from nas.records.trial import TrialRecord
    from nas.scaling_law.fitted_law import ScalingLaw, TargetChoice
    from nas.space.search_space import Candidate

FACTOR = 10


def parser() -> argparse.ArgumentParser:
    built = options.parser(
        "prediction", "Train architectures of a study for longer than its law has seen.", data="prediction.jsonl"
    )
    built.add_argument("study", type=Path, metavar="STUDY", help="the folder of a finished search with rungs")
    built.add_argument("--corpus", default="stdlib", metavar="NAME|PATH", help="that of the study (default: stdlib)")
    built.add_argument(
        "--count", type=cli.positive_int, default=12, metavar="N", help="architectures of trials (default: 12)"
    )
    built.add_argument(
        "--best-only", action="store_true", help="train only what the law predicts to be best, and print the result"
    )
    options.add_device(built)
    options.add_schedule(built)
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.prediction.long_trainings import PREDICTED_BEST, score_in_search, spread, tables
    from experiments.trainings import Trainings, TrainingSpec
    from nas.data.prepare import prepare_data
    from nas.errors import StudyError
    from nas.records.study import read_study
    from nas.records.trial import read_trials
    from nas.scaling_law.fitted_law import ScalingLaw
    from nas.search.extrapolation.target import predict_target
    from nas.space.search_space import SearchSpace
    from nas.training.numerics import plan_numerics

    study = read_study(arguments.study / "study.json")
    records = read_trials(arguments.study / "trials.jsonl")
    space = SearchSpace.model_validate(study.space)
    data = prepare_data(arguments.corpus, space.vocabulary_names)
    if data.corpus_hash != study.identity["corpus"]["content_hash"]:
        raise StudyError(f"--corpus {arguments.corpus} is not the corpus of {arguments.study}; name that one")
    target = FACTOR * space.training.trial_flops
    chosen = spread(records, arguments.count)
    law, at_target = predict_target(records, chosen[0], space, data, target)
    if not isinstance(law, ScalingLaw) or at_target is None:
        raise StudyError(f"{arguments.study} has no scaling law: {getattr(law, 'reason', '')}")
    best = _candidate(at_target.best)
    trials = {} if arguments.best_only else {f"trial {record.number}": _candidate(record) for record in chosen}
    candidates = trials | {PREDICTED_BEST: best}
    training = space.training.model_copy(update={"trial_flops": target, "num_rungs": 1})
    specs = {name: TrainingSpec(candidate, training, seed=study.seed) for name, candidate in candidates.items()}
    numerics = plan_numerics(arguments.device, threads=1)
    command = cli.command_line("experiments.prediction", argv)
    trainings = Trainings(arguments.data, data, numerics, command, options.num_workers_of(arguments))
    if not trainings.run(list(specs.values()), options.deadline_of(arguments)):
        print(options.STOPPED)
        return 0
    measured = {name: trainings.results[spec.key].val_bpb for name, spec in specs.items()}
    if arguments.best_only:
        predicted = at_target.best.predicted
        interval = f"[{predicted.low:.3f}, {predicted.high:.3f}]"
        shown = best.architecture.describe()
        print(f"{shown}: predicted {predicted.bpb:.3f} {interval}, measured {measured[PREDICTED_BEST]:.3f}")
        return 0
    ranked = {f"trial {record.number}": (rank, score_in_search(record)) for rank, record in enumerate(chosen)}
    compared = [
        _long_training(name, candidate, law, data, target, ranked.get(name, (None, "")), measured[name])
        for name, candidate in candidates.items()
    ]
    write_tables(arguments.doc, "predictions", tables(compared, at_target))
    print(f"written: {arguments.data}, {arguments.doc}")
    return 0


def _candidate(source: TrialRecord | TargetChoice) -> Candidate:
    from nas.space.search_space import Candidate

    return Candidate(source.architecture, source.vocabulary, source.lr_multiplier)


def _long_training(
    name: str,
    candidate: Candidate,
    law: ScalingLaw,
    data: PreparedData,
    target: float,
    ranked: tuple[int | None, str],
    measured: float,
) -> LongTraining:
    from experiments.prediction.long_trainings import LongTraining
    from nas.search.extrapolation.predicted_best import training_point

    shape = candidate.architecture
    training = training_point(shape, candidate.lr_multiplier, target, data.bytes_per_token(candidate.vocabulary))
    predicted = law.interval(training)
    return LongTraining(name, shape.describe(), *ranked, predicted.bpb, predicted.low, predicted.high, measured)


if __name__ == "__main__":
    cli.run(main, "experiments.prediction")
