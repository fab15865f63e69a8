"""The trainings of docs/signal.jsonl and of the reference study as points of a scaling law.

`python -m tests.study.signal_points` prints how well a law of the budgets up to 4e12 FLOPs foretells the higher ones.
"""

from __future__ import annotations

from pathlib import Path

from nas.experiments.trainings import read_trained
from nas.records import StudyRecord, read_study, read_trials
from nas.scaling_law import ScalingPoint
from nas.study.best_at import VocabularyFacts
from nas.study.scaling_forecast import judge_forecast
from nas.trial.recipe import learning_rate_rule

ROOT = Path(__file__).parent.parent.parent
OWN_FLOPS = 4e12


def reference_study() -> StudyRecord:
    """On the same corpus as the trainings of the signal."""
    return read_study(ROOT / "trials/reference/base/study.json")


def corpus_bytes() -> float:
    return float(reference_study().corpus["splits"]["train"]["bytes"])


def vocabularies() -> dict[str, VocabularyFacts]:
    found = reference_study().corpus["vocabularies"]
    return {name: VocabularyFacts(one["size"], corpus_bytes() / one["tokens"]["train"]) for name, one in found.items()}


def signal_points() -> list[ScalingPoint]:
    """24 architectures at 4e12 FLOPs with three seeds, some of them at a third, three and ten times as much."""
    facts = vocabularies()
    return [
        ScalingPoint(
            one.architecture,
            round(one.learning_rate / learning_rate_rule(one.architecture), 9),
            one.train_flops,
            one.num_steps * one.batch_tokens * facts[one.vocabulary].bytes_per_token,
            one.val_bpb,
        )
        for one in read_trained(ROOT / "docs/signal.jsonl")
    ]


def reference_points() -> list[ScalingPoint]:
    """The forty trials of the reference study, all at 4e12 FLOPs."""
    return [
        ScalingPoint(one.architecture, one.lr_multiplier, one.cost.train_flops, one.cost.train_bytes, one.val_bpb)
        for one in read_trials(ROOT / "trials/reference/base/trials.jsonl")
        if one.cost is not None and one.val_bpb is not None
    ]


def main() -> None:
    points = signal_points()
    below = [one for one in points if one.train_flops <= OWN_FLOPS]
    heads = ("law, unseen", "law, seen", "same gain")
    print(f"{'fitted to trials up to 4e12':30}{'foretold':>10}{''.join(f'{one:>15}' for one in heads)}{'size':>8}")
    for name, fitted in (("signal", below), ("signal and reference", below + reference_points())):
        for factor in (3, 10):
            above = [one for one in points if round(one.train_flops / OWN_FLOPS) == factor]
            found = judge_forecast(fitted, above, corpus_bytes())
            skills = (found.unseen, found.seen, found.same_gain)
            cells = "".join(f"{one.mean_error:9.3f} {one.rank_correlation:5.2f}" for one in skills)
            label = f"{name}, {len({one.trial for one in fitted})}"
            print(f"{label:30}{found.num_trials:4} at {factor:2}x{cells}{found.size_rank_correlation:8.2f}")
    print("mean error in bits per byte, Spearman's rank correlation")


if __name__ == "__main__":
    main()
