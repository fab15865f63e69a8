"""`python -m nas.evaluate`: what a model writes after short prompts, and what that is worth."""

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

_FILE_OF_COMPLETIONS = ".jsonl"


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.evaluate", "Let a model go on with short prompts; count collapse, junk and valid Python.")
    which = built.add_argument_group("what is judged: one of these")
    which.add_argument("checkpoint", nargs="?", type=Path, metavar="CHECKPOINT", help="a folder of nas.train")
    which.add_argument("--completions", type=Path, metavar="FILE", help="anyone's completions, one JSON object a line")
    which.add_argument(
        "--compare", nargs="+", type=Path, metavar="INPUT", help="checkpoints and .jsonl files of completions"
    )
    how = built.add_argument_group("what a checkpoint is asked")
    how.add_argument(
        "--protocol", action="append", metavar="NAME", help="seed, greedy or plain; can be repeated (default: all)"
    )
    how.add_argument("--prompts", type=Path, metavar="FILE", help="one a line (default: 256 of ours)")
    how.add_argument(
        "--num-prompts", type=cli.positive_int, metavar="N", help="so many, spread over all (default: all)"
    )
    how.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    built.add_argument("--save", type=Path, metavar="FILE", help="write the completions, one JSON object a line")
    built.add_argument("--json", action="store_true", help="print one JSON object for each input, one a line")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    check_usage(arguments)
    if arguments.compare:
        compare(arguments)
    else:
        evaluate(arguments)
    return 0


def check_usage(arguments: argparse.Namespace) -> None:
    """UsageError for flags that do not go together, before anything heavy is imported."""
    given = [one for one in (arguments.checkpoint, arguments.completions, arguments.compare) if one is not None]
    if len(given) != 1:
        raise UsageError("give one of CHECKPOINT, --completions FILE and --compare INPUT INPUT")
    if arguments.compare and len(set(arguments.compare)) != max(2, len(arguments.compare)):
        raise UsageError("--compare takes two or more different inputs")
    if arguments.save and arguments.checkpoint is None:
        raise UsageError("--save writes what a CHECKPOINT generates; give one")
    if arguments.save and arguments.save.is_dir():
        raise UsageError(f"--save {arguments.save} is a folder; give a file")
    asked = arguments.prompts or arguments.num_prompts
    generating = arguments.checkpoint is not None or any(not is_file(one) for one in arguments.compare or ())
    if asked and not generating:
        raise UsageError("--prompts and --num-prompts ask a checkpoint; completions of a file have theirs")


def is_file(path: Path) -> bool:
    return path.suffix == _FILE_OF_COMPLETIONS


def evaluate(arguments: argparse.Namespace) -> None:
    """One input: each protocol's report as soon as it is there, then the file written and what to do next."""
    from nas.evaluate.quality.completions import write_completions
    from nas.evaluate.quality.text import input_line, report_lines

    path = arguments.checkpoint or arguments.completions
    found: list[QualityEvaluation] = []
    for one in evaluations(path, arguments, from_file=arguments.checkpoint is None):
        if arguments.protocol and one.report.protocol is None:
            raise UsageError(f"{path} was not written under a protocol of ours, by its 'mode'; leave --protocol out")
        if not arguments.json:
            heading = [] if found else [input_line(one.report), ""]
            print(*heading, *report_lines(one.report), "", sep="\n", flush=True)
        found.append(one)
    if arguments.save:
        judged = [one for evaluation in found for one in evaluation.judged]
        write_completions([one.completion for one in judged], [one.rule for one in judged], arguments.save)
    if arguments.json:
        print(json.dumps(as_json(found, ())))
        return
    if arguments.save:
        print(f"completions     {arguments.save}")
    print(f"next            {next_command(path, found, is_checkpoint=arguments.checkpoint is not None)}")


def compare(arguments: argparse.Namespace) -> None:
    """Several inputs: a table for each protocol, the first input tested against the others."""
    from nas.evaluate.quality.comparison import side_by_side
    from nas.evaluate.quality.text import table_lines

    inputs = {str(path): list(evaluations(path, arguments, from_file=is_file(path))) for path in arguments.compare}
    tables = side_by_side(inputs)
    if arguments.json:
        compared = [one for table in tables for one in table.comparisons]
        for name, found in inputs.items():
            print(json.dumps(as_json(found, [one for one in compared if one.other == name])))
        return
    for table in tables:
        print(*table_lines(table), "", sep="\n")
    print(f"next            python -m nas.evaluate {shlex.quote(next(iter(inputs)))}")


def evaluations(path: Path, arguments: argparse.Namespace, *, from_file: bool) -> Iterator[QualityEvaluation]:
    """What is said of one input, a protocol at a time."""
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


def as_json(found: Sequence[QualityEvaluation], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The one report as it is, several under their protocols' names; in each how the first input compares."""
    reports = {}
    for one in found:
        name = one.report.protocol
        against = [each.model_dump(mode="json") for each in comparisons if name in (None, each.protocol)]
        reports[str(name)] = one.report.model_dump(mode="json") | ({"against_first": against} if against else {})
    return reports if len(reports) > 1 else next(iter(reports.values()))


def next_command(path: Path, found: Sequence[QualityEvaluation], *, is_checkpoint: bool) -> str:
    """A model that collapses even when sampled may have learnt to copy what it could see: that is audited."""
    given = shlex.quote(str(path))
    if is_checkpoint and any(one.report.is_collapsed and one.report.protocol != "greedy" for one in found):
        return f"python -m nas.audit {given}"
    return f"python -m nas.evaluate --compare {given} ANOTHER"


if __name__ == "__main__":
    cli.run(main, "nas.evaluate")
