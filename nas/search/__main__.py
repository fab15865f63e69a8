"""`python -m nas.search`: search an architecture and its vocabulary, and export the best."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.errors import UsageError

if TYPE_CHECKING:
    from nas.records.trial import TrialRecord
    from nas.search.plan import SearchPlan
    from nas.search.session import SearchOutcome

DEFAULT_BUDGET = 40
RERUNS_DIFFER = "limits or objectives depend on the clock or the machine: reruns may differ"


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.search", "Search layers, width, vocabulary and more for a small language model of code.")
    what = built.add_argument_group("search")
    what.add_argument("--space", default="base", metavar="NAME|FILE", help="search space (default: base)")
    what.add_argument(
        "--corpus",
        default="stdlib",
        metavar="NAME|PATH",
        help="a corpus of nas.corpus, a folder, a glob or a text file (default: the standard library of this Python)",
    )
    what.add_argument(
        "--trial-flops", type=cli.positive_float, metavar="N", help="training FLOPs of each trial, such as 1e12"
    )
    what.add_argument(
        "--target-flops",
        type=cli.positive_float,
        metavar="N",
        help="FLOPs of the full training that follows (default: 100 times those of a trial)",
    )
    what.add_argument(
        "--collapse-weight",
        type=cli.non_negative_float,
        metavar="W",
        help="bits per byte that a collapse rate of 1 costs",
    )
    what.add_argument(
        "--objectives",
        default="fitness",
        metavar="NAME,...",
        help="what to minimise, such as val_bpb,collapse_rate,num_params (default: fitness, of the first two)",
    )
    what.add_argument("--exportable", action="store_true", help="search only what nas.export --to hf can write")
    what.add_argument("--seed", type=cli.seed, default=0, metavar="N", help="random seed (default: 0)")
    budget = built.add_argument_group("budget and workers")
    budget.add_argument(
        "--budget",
        type=cli.positive_int,
        metavar="N",
        help=f"total trials, those of earlier runs included (default: {DEFAULT_BUDGET})",
    )
    budget.add_argument(
        "--rungs",
        type=cli.positive_int,
        metavar="N",
        help="budgets at which weak trials are stopped (default: the space's; 1 with several objectives)",
    )
    budget.add_argument(
        "--sampler",
        metavar="NAME",
        help="law, tpe, gp, nsga2 or random (default: law; gp with several objectives)",
    )
    budget.add_argument("--hours", type=cli.positive_float, metavar="H", help="begin no trial after this many hours")
    budget.add_argument(
        "--workers", type=cli.positive_int, metavar="N", help="worker processes (default: one per core; on a GPU one)"
    )
    budget.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    engine = built.add_argument_group("engine")
    engine.add_argument("--engine", default="local", metavar="NAME", help="local, or ray (default: local)")
    engine.add_argument("--address", metavar="ADDR", help="HOST:PORT of a Ray cluster to join (default: start one)")
    engine.add_argument(
        "--cpus-per-trial", type=cli.positive_float, metavar="N", help="CPUs that Ray reserves per trial (default: 1)"
    )
    engine.add_argument(
        "--gpus-per-trial",
        type=cli.positive_float,
        metavar="N",
        help="GPUs that Ray reserves per trial, such as 0.5 (default: 1 on a GPU)",
    )
    where = built.add_argument_group("output")
    where.add_argument("--name", metavar="NAME", help="name of the study (default: the space's)")
    where.add_argument("--out", default="trials", metavar="DIR", help="folder of studies (default: trials)")
    where.add_argument("--storage", metavar="URL", help="Optuna storage (default: study.db in the study's folder)")
    where.add_argument(
        "--no-samples", action="store_true", help="do not save generated code, which may quote the corpus"
    )
    shown = built.add_argument_group("display")
    shown.add_argument("--dry-run", action="store_true", help="print the plan and exit")
    shown.add_argument("--quiet", action="store_true", help="print only the summary")
    shown.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.name is not None and not cli.is_plain_name(arguments.name):
        raise UsageError(f"--name may have letters, digits, '.', '_' and '-', found '{arguments.name}'")

    # Imported here, so that --help and wrong usage answer at once.
    from nas.search.plan import SearchOptions, plan_search

    options = SearchOptions(
        space=arguments.space,
        corpus=arguments.corpus,
        name=arguments.name,
        out=Path(arguments.out),
        seed=arguments.seed,
        workers=arguments.workers,
        device=arguments.device,
        trial_flops=arguments.trial_flops,
        collapse_weight=arguments.collapse_weight,
        exportable=arguments.exportable,
        objectives=tuple(arguments.objectives.split(",")),
        num_rungs=arguments.rungs,
        target_flops=arguments.target_flops,
        sampler=arguments.sampler,
        budget=arguments.budget if arguments.budget or arguments.hours else DEFAULT_BUDGET,
        hours=arguments.hours,
        storage=arguments.storage,
        engine=arguments.engine,
        address=arguments.address,
        cpus_per_trial=arguments.cpus_per_trial,
        gpus_per_trial=arguments.gpus_per_trial,
        keep_samples=not arguments.no_samples,
        command=cli.command_line("nas.search", argv),
    )
    plan = plan_search(options)
    if arguments.dry_run:
        print_plan(plan, as_json=arguments.json)
        return 0
    return search(plan, quiet=arguments.quiet, as_json=arguments.json)


def search(plan: SearchPlan, *, quiet: bool, as_json: bool) -> int:
    from rich.console import Console

    from nas.report.study.live import LiveTable
    from nas.report.study.page import write_report
    from nas.report.study.samples import read_samples
    from nas.report.study.view import StudyView
    from nas.search.session import run_search

    if plan.reruns_differ:
        print(f"note: {RERUNS_DIFFER}", file=sys.stderr)
    console = Console(stderr=as_json)
    done = plan.folder.read_trials()
    try:
        with LiveTable(plan.options.budget, done, console=console, quiet=quiet) as live:
            outcome = run_search(plan, live)
            live.phase("writing the report")
            samples = read_samples(outcome.folder.path, [record.number for record in outcome.records])
            report = write_report(outcome.folder.path, StudyView.build(outcome.study, outcome.records), samples)
    except KeyboardInterrupt:
        num_ended = len(plan.folder.read_trials())
        print(
            f"\nstopped: {num_ended} trials have ended and none is lost; resume with: {plan.options.command}",
            file=sys.stderr,
        )
        raise
    if as_json:
        print(json.dumps(summary(outcome, report), indent=2))
    else:
        print_summary(outcome, report)
    return 0 if outcome.exported else 1


def summary(outcome: SearchOutcome, report: Path) -> dict[str, Any]:
    """Return the summary of a search as JSON data."""
    from nas.records.trial import completed
    from nas.search.export import exported_front

    ranked = completed(outcome.records)
    return {
        "study": outcome.study.name,
        "folder": str(outcome.folder.path),
        "was_complete": outcome.was_complete,
        "used_up": outcome.used_up,
        "ended": len(outcome.records),
        "complete": len(ranked),
        "best": ranked[0].reproducible() | {"fitness": ranked[0].fitness, **ranked[0].scores} if ranked else None,
        "front": [record.number for record in exported_front(outcome.study, outcome.records)],
        "verdict": [result.model_dump(mode="json") for result in outcome.study.verdict],
        "compressors": outcome.study.compressors,
        "seconds": outcome.study.measured,
        "at_target": outcome.study.at_target and outcome.study.at_target.model_dump(mode="json"),
        "arch_json": str(outcome.folder.arch_json) if outcome.exported else None,
        "report": str(report),
    }


def print_summary(outcome: SearchOutcome, report: Path) -> None:
    from nas.records.trial import completed
    from nas.report.study.commands import next_commands
    from nas.report.study.text import result_lines
    from nas.report.study.view import StudyView

    folder, study = outcome.folder.path, outcome.study
    if outcome.was_complete:
        print(
            f"study '{study.name}' is complete with {len(outcome.records)} trials; extend it with a larger --budget, "
            "or start another with --name"
        )
    if outcome.used_up:
        print(
            f"the space has no other legal architecture: {len(outcome.records)} trials are all that it allows; "
            "widen it or its [constraints] for more"
        )
    ranked = completed(outcome.records)
    if not ranked:
        print(f"no trial of {len(outcome.records)} completed{_most_common_end(outcome.records)}; {report} lists them")
        return
    print(*result_lines(StudyView.build(study, outcome.records)), sep="\n")
    states = Counter(record.state for record in outcome.records)
    print(f"trials      {'  '.join(f'{count} {state}' for state, count in sorted(states.items()))}")
    print(f"seconds     {'  '.join(f'{phase} {seconds:.0f}' for phase, seconds in study.measured.items())}")
    print(f"report      {report}")
    in_front = sum(path.parent.name == "front" for path in outcome.exported)
    print(f"front       {folder / 'front'} ({in_front} architectures)")
    which = (
        "predicted best at the target"
        if study.at_target and study.at_target.is_trusted
        else "best at the search's budget"
    )
    both = f"; both: {folder / 'best-at-*.json'}" if study.at_target else ""
    print(f"arch JSON   {outcome.folder.arch_json}, the {which}{both}")
    for what, command in next_commands(folder, study)[:1]:
        print(f"next        {what.lower()}: {command}")


def _most_common_end(records: Sequence[TrialRecord]) -> str:
    """Return how most trials ended, with one of their reasons; an empty text without trials."""
    if not records:
        return ""
    [(end, count)] = Counter(record.end for record in records).most_common(1)
    reason = next(record.reason for record in records if record.end is end)
    return f"; most often, {count} times: {reason}"


def print_plan(plan: SearchPlan, *, as_json: bool) -> None:
    """Print what a search would do; nothing is written."""
    from nas.data.prepare import describe_corpus

    budget = f"{plan.options.budget} trials" if plan.options.budget else "any number of trials"
    if ended := len(plan.folder.read_trials()):
        budget += f", of which {ended} have ended"
    hours = f", at most {plan.options.hours:g} h" if plan.options.hours else ""
    exportable = ", of which only exportable ones" if plan.space.constraints.exportable else ""
    facts = {
        "study": str(plan.folder.path),
        "space": f"{plan.space.name}, {plan.space.num_combinations:.3g} combinations{exportable}",
        "corpus": f"{plan.options.corpus}: {describe_corpus(plan.options.corpus)}",
        "vocabularies": ", ".join(plan.space.vocabulary_names),
        "objectives": ", ".join(plan.options.objectives),
        "budget": f"{budget}{hours}, proposed by {plan.sampler}",
        "rungs": ", ".join(f"{flops:.2g}" for flops in plan.space.training.rung_flops) + " training FLOPs",
        "target": f"{plan.target_flops:.2g} FLOPs of full training",
        "cost": f"at most {plan.cost}",
        "workers": f"{plan.workers} on {plan.numerics.device}, {plan.numerics.threads} torch threads each",
    }
    if plan.reruns_differ:
        facts["note"] = RERUNS_DIFFER
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        for name, value in facts.items():
            print(f"{name:<13} {value}")
        print("dry run: nothing was trained or written")


if __name__ == "__main__":
    cli.run(main, "nas.search")
