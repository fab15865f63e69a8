"""The top of the page: what was found, why, how surely, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.records.holdout_comparison import Comparison, Finalist, chosen_trial, comparison_of
from nas.records.study import StudyRecord, TrialRecord, completed
from nas.report.parts.markup import paragraph, text, tiles
from nas.report.parts.words import count, fixed, sentence, title
from nas.report.study.at_target import budget_cards
from nas.report.study.commands import commands_section
from nas.report.study.finalists import finalists_section
from nas.report.study.health import Finding
from nas.report.study.intervals import fitness_noise, seed_noise, share_interval


def verdict_section(
    folder: Path,
    study: StudyRecord,
    records: Sequence[TrialRecord],
    collapse_weight: float,
    findings: Sequence[Finding] = (),
) -> str:
    """Title, state, the best trial in words and figures, at both budgets, why it won, what to do next; the holdout."""
    parts = [
        '<p class="kicker">Architecture search for small language models of Python code</p>',
        f"<h1>Study {text(study.name)}</h1>",
        paragraph(_state(study, records), "soft"),
    ]
    if collapse_weight != study.collapse_weight:
        parts.append(
            paragraph(
                f"Ranked here with a collapse weight of {collapse_weight:g}. The search itself used "
                f"{study.collapse_weight:g}, so it looked for other trials than these.",
                "note",
            )
        )
    if not completed(records):
        parts.append(paragraph("No trial has completed yet, so there is nothing to compare.", "lead"))
        return _header([*parts, _trust(findings), commands_section(folder, study)])
    comparison = comparison_of(study, records, collapse_weight)
    parts += [
        _best(study, records, collapse_weight, comparison),
        _against_gzip(study, records, comparison),
        _trust(findings),
        commands_section(folder, study),
    ]
    return _header(parts) + "\n" + finalists_section(study, records, comparison)


def _header(parts: Sequence[str]) -> str:
    return "<header>\n" + "\n".join(part for part in parts if part) + "\n</header>"


def _state(study: StudyRecord, records: Sequence[TrialRecord]) -> str:
    state = "Complete" if study.complete else "Not complete: the search is running or was stopped"
    ended = f"{len(records)} trial{'' if len(records) == 1 else 's'} ended"
    budget = f" (budget {study.budget})" if study.budget is not None else ""
    references = sum(one.reference is not None for one in records)
    numbers = [(sum(one.state == name for one in records), word) for word, name in _STATES] + [
        (references, "references")
    ]
    counts = ", ".join(f"{number} {word}" for number, word in numbers if number)
    return f"{state}. {ended}{budget}" + (f": {counts}." if counts else ".")


_STATES = (("complete", "COMPLETE"), ("pruned", "PRUNED"), ("failed", "FAIL"))


def _best(
    study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float, comparison: Comparison | None
) -> str:
    best = chosen_trial(study, records, collapse_weight)
    assert best is not None
    finalist = next((one for one in comparison.finalists if one.number == best.number), None) if comparison else None
    return "\n".join(
        [
            paragraph(f"The best architecture is {title(best)}: {sentence(best.architecture)}.", "lead"),
            tiles(_on_holdout(study, finalist, collapse_weight) if finalist else _on_validation(best)),
            paragraph(
                f"Fitness is bits per byte plus {collapse_weight:g} times the collapse rate: the share of completions "
                "that are a loop, blank or near-constant, sampled or greedy, whichever is worse. Lower is better.",
                "soft",
            ),
            _against_references(records, best, comparison),
            budget_cards(study, best, comparison),
        ]
    )


def _on_validation(best: TrialRecord) -> list[tuple[str, ...]]:
    judged = best.validation
    prompts = judged.num_prompts if judged else 0
    sampled = judged.sampled_collapse_rate if judged else None
    greedy = judged.greedy_collapse_rate if judged else None
    return [
        ("bits per byte, validation", fixed(best.val_bpb), "one seed"),
        ("the same on novel lines", fixed(best.val_novel_bpb)),
        ("collapse, sampled", fixed(sampled), _share(sampled, prompts)),
        ("collapse, greedy", fixed(greedy), _share(greedy, prompts)),
        ("fitness", fixed(best.fitness), "one seed"),
        ("parameters", count(best.architecture.num_params)),
    ]


def _on_holdout(study: StudyRecord, one: Finalist, collapse_weight: float) -> list[tuple[str, ...]]:
    """Means over fresh seeds; where one seed says nothing of others, what the number of prompts says."""
    prompts = next(result.metrics.num_prompts for result in study.verdict if result.metrics)
    bpb = seed_noise(study.verdict, lambda judged: judged.bpb)
    collapse = seed_noise(study.verdict, lambda judged: judged.collapse_rate)
    worth = fitness_noise(study.verdict, collapse_weight)
    half = f"± {bpb.half_width(one.num_seeds):.3f}, {one.num_seeds} seeds" if bpb else "one seed"
    rate = f"± {collapse.half_width(one.num_seeds):.3f}" if collapse else _share(one.collapse_rate, prompts)
    decoding = "greedy" if one.greedy_collapse_rate >= one.sampled_collapse_rate else "sampled"
    other = min(one.greedy_collapse_rate, one.sampled_collapse_rate)
    return [
        ("bits per byte, holdout", fixed(one.bpb), half),
        ("the same on novel lines", fixed(one.novel_bpb)),
        (f"collapse, {decoding}", fixed(one.collapse_rate), rate),
        (f"collapse, {'sampled' if decoding == 'greedy' else 'greedy'}", fixed(other)),
        ("fitness", fixed(one.fitness), f"± {worth.half_width(one.num_seeds):.3f}" if worth else ""),
        ("perplexity", fixed(one.perplexity, 1), "within its vocabulary"),
    ]


def _share(share: float | None, prompts: int) -> str:
    if share is None or not prompts:
        return ""
    low, high = share_interval(share, prompts)
    return f"{low:.2f} to {high:.2f}, 95%"


def _against_references(records: Sequence[TrialRecord], best: TrialRecord, comparison: Comparison | None) -> str:
    """By how much, and how much of it is bits per byte and how much collapse."""
    if comparison is not None:
        references = {one.number: one for one in records if one.reference}
        rival = next((one for one in comparison.finalists if one.number in references), None)
        own = next((one for one in comparison.finalists if one.number == best.number), None)
        if rival is not None and own is not None and own.fitness < rival.fitness:
            return paragraph(
                f"It beats the best reference, {title(references[rival.number])}, by {rival.fitness - own.fitness:.3f} "
                f"in fitness on the holdout: {_parts(rival.bpb - own.bpb, rival.collapse_rate - own.collapse_rate)}."
            )
    ranked = completed(records)
    found = next((one for one in ranked if not one.reference), None)
    reference = next((one for one in ranked if one.reference), None)
    if reference is None or found is None or found.fitness is None or reference.fitness is None:
        return ""
    gap = reference.fitness - found.fitness
    if gap > 0 and comparison is None:
        return paragraph(f"It beats the best reference, {title(reference)}, by {gap:.3f} in fitness on validation.")
    if gap > 0:
        return paragraph(
            f"On validation {title(found)} beats the best reference, {title(reference)}, by {gap:.3f} in fitness; on "
            "the holdout what is taken here does not beat every reference.",
            "callout",
        )
    return paragraph(
        f"No searched architecture beats the reference {reference.reference} on validation: the best of them, "
        f"{title(found)}, has a fitness of {fixed(found.fitness)} against {fixed(reference.fitness)}.",
        "callout",
    )


def _parts(bpb: float, collapse: float) -> str:
    return f"{abs(bpb):.3f} {'fewer' if bpb >= 0 else 'more'} bits per byte, and {_looping(collapse)}"


def _looping(collapse: float) -> str:
    if abs(collapse) < 0.0005:
        return "as many completions collapse"
    return f"a collapse rate that is {abs(collapse):.3f} {'lower' if collapse > 0 else 'higher'}"


def _against_gzip(study: StudyRecord, records: Sequence[TrialRecord], comparison: Comparison | None) -> str:
    """A warning when a plain compressor predicts the same bytes as well as the best model does."""
    bpb = min(one.bpb for one in comparison.finalists) if comparison else completed(records)[0].val_bpb
    split = "holdout" if comparison else "validation"
    gzip = next((value for name, value in study.compressors.get(split, {}).items() if name.startswith("gzip")), None)
    if gzip is None or bpb is None or bpb < gzip:
        return ""
    return paragraph(
        f"The best model is not below gzip: {bpb:.3f} against {gzip:.3f} bits per byte on the same {split} bytes. "
        "A general compressor predicts this code as well; train longer before drawing conclusions.",
        "callout",
    )


def _trust(findings: Sequence[Finding]) -> str:
    """One line of how the checks went; each stands under Health."""
    if not findings:
        return ""
    looks = [one for one in findings if one.kind == "look"]
    fine = sum(one.kind == "fine" for one in findings)
    open_ones = len(findings) - fine - len(looks)
    parts = [f"{fine} of {len(findings)} checks are fine"]
    parts += (
        [f"{len(looks)} need{'s' * (len(looks) == 1)} a look ({', '.join(one.name for one in looks)})"] if looks else []
    )
    parts += [f"{open_ones} cannot be told"] if open_ones else []
    return f'<p>Can it be trusted? {text(", ".join(parts))}: <a href="#health">Health</a>.</p>'
