"""`python -m experiments.prediction`: what are the scaling law's predictions worth at ten times a search's FLOPs?

Of a finished study with rungs, architectures spread over its ranking and the law's own best are trained with ten times
the FLOPs of the top rung. Did the search's ranking hold there, did the law foretell it, and how far behind the best of
them is the architecture that would have been exported?
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli

if TYPE_CHECKING:
    from nas.data.prepared import PreparedData
    from nas.records.study import TrialRecord
    from nas.scaling_law.fitted import AtTarget, ScalingLaw
    from nas.space.search_space import Candidate

FACTOR = 10


@dataclass(frozen=True)
class LongTraining:
    """One architecture at the target, as it was long_trainings and as it came."""

    name: str
    architecture: str
    rank: int | None
    """Its place in the search, from 0; None where the search did not train it."""
    reached: str
    """Bits per byte in the search, and at which rung where it was stopped below the top."""
    predicted: float
    low: float
    high: float
    actual: float


def parser() -> argparse.ArgumentParser:
    built = cli.parser(
        "experiments.prediction", "Train architectures of a study for longer, as its law long_trainings."
    )
    built.add_argument("study", type=Path, metavar="STUDY", help="the folder of a finished search with rungs")
    built.add_argument("--corpus", default="stdlib", metavar="NAME|PATH", help="that of the study (default: stdlib)")
    built.add_argument("--count", type=cli.positive_int, default=12, metavar="N", help="architectures of trials (default: 12)")
    built.add_argument("--best-only", action="store_true", help="train what the law takes for the best alone, and say")
    built.add_argument("--minutes", type=cli.positive_float, metavar="M", help="begin no training after so many minutes")
    built.add_argument("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: cpu)")
    built.add_argument("--workers", type=cli.positive_int, metavar="N", help="processes (default: one a core)")
    built.add_argument("--data", type=Path, default=Path("experiments/prediction/prediction.jsonl"), metavar="FILE")
    built.add_argument("--doc", type=Path, default=Path("experiments/prediction/README.md"), metavar="FILE")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.trainings import Trainings, Wanted
    from nas.data.prepare import prepare_data
    from nas.errors import StudyError
    from nas.records.study import read_study, read_trials
    from nas.scaling_law.fitted import ScalingLaw
    from nas.search.extrapolation.prediction import predict_target
    from nas.space.search_space import SearchSpace
    from nas.system.machine import available_cores
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
    best = candidate_of(at_target.best)
    trials = {} if arguments.best_only else {f"trial {one.number}": candidate_of(one) for one in chosen}
    candidates = trials | {"predicted best": best}
    training = space.training.model_copy(update={"trial_flops": target, "num_rungs": 1})
    wanted = {name: Wanted(one, training, seed=study.seed) for name, one in candidates.items()}
    trainings = Trainings(
        arguments.data,
        data,
        plan_numerics(arguments.device, threads=1),
        cli.command_line("experiments.prediction", argv),
    )
    deadline = time.monotonic() + 60 * (arguments.minutes or 1e9)
    if not trainings.run(list(wanted.values()), arguments.workers or available_cores(), deadline):
        print("stopped before its end; run the same command again to go on")
        return 0
    if arguments.best_only:
        came, expected = trainings.of(wanted["predicted best"]).val_bpb, at_target.best.predicted
        interval = f"[{expected.low:.3f}, {expected.high:.3f}]"
        print(f"{best.architecture.describe()}: predicted {expected.bpb:.3f} {interval}, came to {came:.3f}")
        return 0
    standing = {f"trial {one.number}": (rank, reached(one)) for rank, one in enumerate(chosen)}
    found = []
    for name, one in candidates.items():
        rank, shown = standing.get(name, (None, ""))
        found.append(long_trainings(name, one, law, data, target, rank, shown, trainings.of(wanted[name]).val_bpb))
    write_tables(arguments.doc, "long_trainings", tables(found, at_target))
    print(f"written: {arguments.data}, {arguments.doc}")
    return 0


def spread(records: Sequence[TrialRecord], count: int) -> list[TrialRecord]:
    """The front of bits per byte and parameters, and trials evenly spaced in rank, best first.

    Those that were stopped rank after all that came further, by what they had where they were stopped.
    """
    from nas.records.fitness import pareto_front

    ranked = sorted(
        (one for one in records if one.rungs), key=lambda one: (-len(one.rungs), one.rungs[-1].val_bpb, one.number)
    )
    whole = [one for one in ranked if one.is_complete]
    front = pareto_front([(one.rungs[-1].val_bpb, float(one.architecture.num_params)) for one in whole])
    places = [*front[: count // 2]]
    rest = [place for place in range(len(ranked)) if place not in places]
    step = max(1.0, len(rest) / max(1, count - len(places)))
    places += [rest[int(index * step)] for index in range(min(count - len(places), len(rest)))]
    return [ranked[place] for place in sorted(places)]


def reached(record: TrialRecord) -> str:
    last = record.rungs[-1]
    return f"{last.val_bpb:.3f}" + ("" if record.is_complete else f" at rung {last.rung + 1}")


def candidate_of(one: object) -> Candidate:
    from nas.space.search_space import Candidate

    return Candidate(one.architecture, one.vocabulary, one.lr_multiplier)  # type: ignore[attr-defined]


def long_trainings(
    name: str,
    candidate: Candidate,
    law: ScalingLaw,
    data: PreparedData,
    target: float,
    rank: int | None,
    reached: str,
    actual: float,
) -> LongTraining:
    from nas.search.extrapolation.best_at import training_at

    shape = candidate.architecture
    training = training_at(shape, candidate.lr_multiplier, target, data.bytes_per_token(candidate.vocabulary))
    expected = law.interval(training)
    return LongTraining(name, shape.describe(), rank, reached, expected.bpb, expected.low, expected.high, actual)


def tables(found: Sequence[LongTraining], at_target: AtTarget) -> str:
    """Markdown: each architecture, then ranking, error and regret."""
    from experiments.document import markdown

    ordered = sorted(found, key=lambda one: one.actual)
    rows = [
        [
            one.name,
            one.architecture,
            one.reached,
            f"{one.predicted:.3f} [{one.low:.3f}, {one.high:.3f}]",
            f"{one.actual:.3f}",
        ]
        for one in ordered
    ]
    header = ("architecture", "", "in the search", "predicted, 90%", "came to")
    return "\n\n".join([markdown(header, rows), *summary(found, at_target)])


def summary(found: Sequence[LongTraining], at_target: AtTarget) -> list[str]:
    """Kendall's tau of the search's ranking and of the law's, errors, coverage, regret of what is exported."""
    from statistics import mean

    from scipy.stats import kendalltau

    trials = sorted((one for one in found if one.rank is not None), key=lambda one: one.rank or 0)
    actual = [one.actual for one in trials]
    rankings = "Two trials at least make a ranking."
    if len(trials) > 1:
        raw = kendalltau([one.rank for one in trials], actual).statistic
        predicted = kendalltau([one.predicted for one in trials], actual).statistic
        rankings = f"Kendall's tau with what came: the search's own ranking {raw:.2f}, the law's {predicted:.2f}."
    covered = sum(one.low <= one.actual <= one.high for one in found)
    error = mean(abs(one.predicted - one.actual) for one in trials)
    best = min(one.actual for one in found)
    searched = trials[0]
    law_best = next(one for one in found if one.name == "predicted best")
    doubts = "; ".join(at_target.shortcomings)
    exported = "predicted best" if at_target.holds else f"one the verdict took, as the law does not hold ({doubts})"
    return [
        rankings,
        f"Mean error of a prediction {error:.3f} bits per byte; {covered} of {len(found)} came inside their intervals.",
        "Regret, how far behind the best of these: "
        f"the search's first in bits per byte {searched.actual / best - 1:.1%}, "
        f"predicted best {law_best.actual / best - 1:.1%}. Exported is the {exported}.",
    ]


if __name__ == "__main__":
    cli.run(main, "experiments.prediction")
