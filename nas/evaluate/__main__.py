"""Command `python -m nas.evaluate`: what a model writes after short prompts, and how much of it has collapsed."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from nas.evaluate.quality.comparison import Comparison
    from nas.evaluate.quality.evaluation import QualityEvaluation

_COMPLETIONS_SUFFIX = ".jsonl"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    built = cli.parser(
        "nas.evaluate", "Complete short prompts with a model and measure collapse, junk and valid Python."
    )
    inputs = built.add_argument_group("input: give one of these")
    inputs.add_argument("checkpoint", nargs="?", type=Path, metavar="CHECKPOINT", help="a folder of nas.train")
    inputs.add_argument(
        "--completions", type=Path, metavar="FILE", help="completions of any model, one JSON object per line"
    )
    inputs.add_argument(
        "--compare", nargs="+", type=Path, metavar="INPUT", help="checkpoints and .jsonl files of completions"
    )
    generation = built.add_argument_group("how a checkpoint generates")
    generation.add_argument(
        "--protocol", action="append", metavar="NAME", help="origin, greedy or plain; can be repeated (default: all)"
    )
    generation.add_argument(
        "--prompts", type=Path, metavar="FILE", help="a file with one prompt per line (default: 256 built-in prompts)"
    )
    generation.add_argument(
        "--num-prompts", type=cli.positive_int, metavar="N", help="use N prompts, evenly spread (default: all)"
    )
    generation.add_argument(
        "--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)"
    )
    built.add_argument("--save", type=Path, metavar="FILE", help="write the completions, one JSON object per line")
    built.add_argument("--json", action="store_true", help="print one JSON object per input, one per line")
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    check_usage(arguments)
    if arguments.compare:
        compare(arguments)
    else:
        evaluate(arguments)
    return 0


def check_usage(arguments: argparse.Namespace) -> None:
    """Raise UsageError for flags that do not go together, before anything heavy is imported."""
    inputs = (arguments.checkpoint, arguments.completions, arguments.compare)
    if sum(value is not None for value in inputs) != 1:
        raise UsageError("give one of CHECKPOINT, --completions FILE and --compare INPUT INPUT")
    if arguments.compare and len(set(arguments.compare)) != max(2, len(arguments.compare)):
        raise UsageError("--compare needs two or more different inputs")
    if arguments.save and arguments.checkpoint is None:
        raise UsageError("--save writes what a CHECKPOINT generates; give a CHECKPOINT")
    if arguments.save and arguments.save.is_dir():
        raise UsageError(f"--save {arguments.save} is a folder; give a file")
    selects_prompts = arguments.prompts or arguments.num_prompts
    generates = arguments.checkpoint is not None or any(not is_file(path) for path in arguments.compare or ())
    if selects_prompts and not generates:
        raise UsageError("--prompts and --num-prompts need a checkpoint; completions in a file have their own prompts")


def is_file(path: Path) -> bool:
    """Return whether an input of --compare is a file of completions, by its suffix."""
    return path.suffix == _COMPLETIONS_SUFFIX


def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate one input: print each protocol's report as soon as it is done, save completions, suggest a command."""
    from nas.evaluate.quality.completions import write_completions
    from nas.evaluate.quality.text import input_line, report_lines

    path = arguments.checkpoint or arguments.completions
    evaluations: list[QualityEvaluation] = []
    for evaluation in evaluate_input(path, arguments, from_file=arguments.checkpoint is None):
        if arguments.protocol and evaluation.report.protocol is None:
            raise UsageError(f"{path} was not generated under a known protocol, by its 'mode'; leave --protocol out")
        if not arguments.json:
            heading = [] if evaluations else [input_line(evaluation.report), ""]
            print(*heading, *report_lines(evaluation.report), "", sep="\n", flush=True)
        evaluations.append(evaluation)
    if arguments.save:
        qualities = [quality for evaluation in evaluations for quality in evaluation.qualities]
        write_completions(
            [quality.completion for quality in qualities], [quality.rule for quality in qualities], arguments.save
        )
    if arguments.json:
        print(json.dumps(to_json(evaluations, ())))
        return
    if arguments.save:
        print(f"completions     {arguments.save}")
    print(f"next            {next_command(path, evaluations, is_checkpoint=arguments.checkpoint is not None)}")


def compare(arguments: argparse.Namespace) -> None:
    """Compare several inputs: print one table per protocol, with the first input tested against the others."""
    from nas.evaluate.quality.comparison import comparison_tables
    from nas.evaluate.quality.text import table_lines

    inputs = {str(path): list(evaluate_input(path, arguments, from_file=is_file(path))) for path in arguments.compare}
    tables = comparison_tables(inputs)
    if arguments.json:
        comparisons = [comparison for table in tables for comparison in table.comparisons]
        for name, evaluations in inputs.items():
            own = [comparison for comparison in comparisons if comparison.other == name]
            print(json.dumps(to_json(evaluations, own)))
        return
    for table in tables:
        print(*table_lines(table), "", sep="\n")
    print(f"next            python -m nas.evaluate {shlex.quote(next(iter(inputs)))}")


def evaluate_input(path: Path, arguments: argparse.Namespace, *, from_file: bool) -> Iterator[QualityEvaluation]:
    """Yield the evaluations of one input, one per protocol."""
    from nas.evaluate.quality.evaluation import evaluate_file, evaluate_model
    from nas.evaluate.quality.prompts import choose_prompts
    from nas.evaluate.quality.protocols import PROTOCOLS
    from nas.inference.language_model import LanguageModel

    for name in arguments.protocol or ():
        if name not in PROTOCOLS:
            raise UsageError(unknown_name("protocol", name, PROTOCOLS))
    protocols = [name for name in PROTOCOLS if name in (arguments.protocol or PROTOCOLS)]
    if from_file:
        yield from evaluate_file(path, protocols)
    else:
        prompts = choose_prompts(arguments.prompts, arguments.num_prompts)
        yield from evaluate_model(LanguageModel.open_on(path, arguments.device), path, prompts, protocols)


def to_json(evaluations: Sequence[QualityEvaluation], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return a single report itself, several by protocol; each with its comparison against the first input."""
    reports = {}
    for evaluation in evaluations:
        protocol = evaluation.report.protocol
        against_first = [
            comparison.model_dump(mode="json") for comparison in comparisons if protocol in (None, comparison.protocol)
        ]
        report = evaluation.report.model_dump(mode="json")
        reports[str(protocol)] = report | ({"against_first": against_first} if against_first else {})
    return reports if len(reports) > 1 else next(iter(reports.values()))


def next_command(path: Path, evaluations: Sequence[QualityEvaluation], *, is_checkpoint: bool) -> str:
    """Return the command to run next.

    A model that collapses even when it samples may have learned to copy what it could see, so it is to be audited.
    """
    quoted = shlex.quote(str(path))
    reports = [evaluation.report for evaluation in evaluations]
    if is_checkpoint and any(report.is_collapsed and report.protocol != "greedy" for report in reports):
        return f"python -m nas.audit {quoted}"
    return f"python -m nas.evaluate --compare {quoted} ANOTHER"


if __name__ == "__main__":
    cli.run(main, "nas.evaluate")
