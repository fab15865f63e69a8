"""A study as Markdown, for an issue or a wiki: the verdict, the finalists, the front, the checks, the commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nas.records.holdout_comparison import chosen_trial, comparison_of
from nas.records.study import StudyRecord, TrialRecord, front
from nas.report.parts.words import MISSING, count, fixed, flops_words, sentence, title, visible
from nas.report.study.commands import next_commands
from nas.report.study.health import findings_of
from nas.scaling_law.fitted import NoLaw

_SPECIAL = str.maketrans({one: f"\\{one}" for one in "\\`*_{}[]<>#|!~"})


def markdown(folder: Path, study: StudyRecord, records: Sequence[TrialRecord], weight: float) -> str:
    """`records` are ranked by their fitness as it stands: reweight them before."""
    best = chosen_trial(study, records, weight)
    parts = [f"# Study {_escaped(study.name)}"]
    if best is None:
        parts.append("No trial has completed yet, so there is nothing to compare.")
    else:
        parts += [
            f"The best architecture is {_escaped(title(best))}: {_escaped(sentence(best.architecture))}.",
            *_at_target(study),
            *_finalists(study, records, weight),
            "## Front: bits per byte, collapse rate, parameters",
            _table(("trial", "bits per byte", "on novel lines", "collapse", "fitness", "params", "architecture"),
                   map(_row, front(records))),
        ]  # fmt: skip
    checks = [
        f"- {one.kind}: **{_escaped(one.name)}**: {_escaped(one.words)}" for one in findings_of(study, records, weight)
    ]
    parts += ["## Health", "\n".join(checks)] if checks else []
    commands = [f"{words}  # {what.lower()}" for what, words in next_commands(folder, study)]
    parts += ["## What to do next", "\n".join(["```", *commands, "```"])] if commands else []
    return "\n\n".join(parts) + "\n"


def _at_target(study: StudyRecord) -> list[str]:
    at = study.at_target
    if at is None:
        return [f"No prediction: {_escaped(study.law.reason)}."] if isinstance(study.law, NoLaw) else []
    best = at.best.predicted
    lines = [
        f"At {flops_words(at.target_flops)} FLOPs the scaling law predicts "
        f"{_escaped(at.best.architecture.describe())} to be best: "
        f"{best.bpb:.3f} [{best.low:.3f}, {best.high:.3f}] bits per byte."
    ]
    return lines + [f"Not to be relied on: {_escaped(one)}." for one in at.shortcomings]


def _finalists(study: StudyRecord, records: Sequence[TrialRecord], weight: float) -> list[str]:
    comparison = comparison_of(study, records, weight)
    if comparison is None:
        return []
    by_number = {one.number: one for one in records}
    rows = [
        (
            _escaped(title(by_number[one.number])),
            *map(fixed, (one.bpb, one.novel_bpb, one.collapse_rate, one.fitness)),
            f"{one.behind:+.3f} ± {one.half_width:.3f}" if one.half_width is not None else MISSING,
            by_number[one.number].architecture.describe(),
        )
        for one in comparison.finalists
    ]
    heads = ("model", "bits per byte", "on novel lines", "collapse", "fitness", "behind the best", "architecture")
    return [
        "## Verdict on the holdout",
        f"Trial {comparison.chosen} is taken: {comparison.reason}.",
        _table(heads, rows),
    ]


def _row(record: TrialRecord) -> tuple[str, ...]:
    return (
        _escaped(title(record)),
        fixed(record.val_bpb),
        fixed(record.val_novel_bpb),
        fixed(record.collapse_rate),
        fixed(record.fitness),
        count(record.architecture.num_params),
        record.architecture.describe(),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first and the last column are words, the others figures."""
    rule = ["---", *["---:"] * (len(heads) - 2), "---"]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def _escaped(words: str) -> str:
    return visible(words).replace("\n", " ").translate(_SPECIAL)
