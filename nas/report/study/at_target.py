"""Which architecture at which budget: the best that the search found, and what the law predicts at the full one."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.holdout_comparison import Comparison
from nas.records.study import StudyRecord, TrialRecord
from nas.report.parts.markup import attribute, paragraph, text
from nas.report.parts.words import fixed, flops_words, sentence, title
from nas.scaling_law.fitted import Choice, NoLaw


def budget_cards(study: StudyRecord, best: TrialRecord, comparison: Comparison | None) -> str:
    """Side by side; the one that arch.json holds is framed."""
    at = study.at_target
    on_holdout = (
        next((one.bpb for one in comparison.finalists if one.number == best.number), None) if comparison else None
    )
    follows = at is not None and at.holds
    search = _card(
        f"At the search's budget{_of_flops(best)}",
        best.architecture.describe(),
        [_why(best, comparison), f"Bits per byte: {fixed(best.val_bpb)} on validation"
         + (f", {on_holdout:.3f} on the holdout." if on_holdout is not None else ".")],
        taken=not follows,
    )  # fmt: skip
    return f'<div class="cards">{search}{_prediction(study, best)}</div>'


def _why(best: TrialRecord, comparison: Comparison | None) -> str:
    name = f"{title(best)[:1].upper()}{title(best)[1:]}"
    return f"{name} is taken: {comparison.reason}." if comparison else f"{name}, the best on validation so far."


def _of_flops(record: TrialRecord) -> str:
    return f", {flops_words(record.cost.train_flops)} FLOPs" if record.cost else ""


def _prediction(study: StudyRecord, best: TrialRecord) -> str:
    at = study.at_target
    if isinstance(study.law, NoLaw):
        return _card("At the full budget", "", [f"No prediction: {study.law.reason}."])
    if at is None:
        why = "this record has none" if study.complete else "it comes at the end of a search"
        return _card("At the full budget", "", [f"No prediction: {why}."])
    same = at.best.architecture == best.architecture
    lines = [
        "The same architecture." if same else f"{sentence(at.best.architecture)}.",
        f"Predicted {_interval(at.best)} bits per byte"
        + ("." if same else f"; the best of the search {_interval(at.searched)}, worse with a chance of "
           f"{at.chance:.0%}."),
    ]  # fmt: skip
    lines += [f"Not to be relied on: {one}." for one in at.shortcomings]
    heading = f"Predicted at the full budget, {flops_words(at.target_flops)} FLOPs"
    return _card(heading, at.best.architecture.describe(), lines, taken=at.holds)


def _interval(choice: Choice) -> str:
    return f"{choice.predicted.bpb:.3f} [{choice.predicted.low:.3f}, {choice.predicted.high:.3f}]"


def _card(heading: str, short: str, lines: Sequence[str], *, taken: bool = False) -> str:
    tag = ' <span class="tag">arch.json</span>' if taken else ""
    described = f'<p class="short">{text(short)}</p>' if short else ""
    words = "".join(paragraph(one, "soft") for one in lines)
    return f"<div{attribute('class', 'taken' if taken else '')}><h3>{text(heading)}{tag}</h3>{described}{words}</div>"
