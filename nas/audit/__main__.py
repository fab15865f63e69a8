"""Command `python -m nas.audit`: check that a language model cannot see the tokens it must predict."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli
from nas.errors import UsageError

if TYPE_CHECKING:
    from nas.audit.finding import Finding
    from nas.audit.opened_model import OpenedModel

_SIGNS = {"passed": "ok", "leak": "LEAK", "warning": "warning", "not checked": "not checked"}


def parser() -> argparse.ArgumentParser:
    built = cli.parser(
        "nas.audit", "Check a causal language model, its loss and its decoding for leaks of the target tokens."
    )
    which = built.add_argument_group("which model")
    which.add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="an arch JSON, a checkpoint, or a folder of transformers"
    )
    which.add_argument("--model", metavar="MODULE:FACTORY", help="any model: a function that returns an nn.Module")
    which.add_argument("--vocab-size", type=cli.positive_int, metavar="V", help="with --model: ids are 0 to V-1")
    which.add_argument("--seq-len", type=cli.positive_int, metavar="T", help="with --model: the longest input")
    what = built.add_argument_group("further checks")
    what.add_argument(
        "--corpus",
        metavar="PATH",
        help="check loss and copies on this text, split as in a search",
    )
    what.add_argument("--train", action="store_true", help="train a copy on random tokens, which it must not learn")
    built.add_argument("--json", action="store_true", help="print one JSON object")
    return built


def main(argv: list[str] | None = None) -> int:
    """Return 0 without a leak, 1 with one, 2 when nothing could be checked."""
    arguments = parser().parse_args(argv)
    opened = open_model(arguments)
    findings = list(audit(opened, arguments.corpus, train=arguments.train))
    if arguments.json:
        print(json.dumps({"model": opened.name, "findings": [finding.as_json() for finding in findings]}, indent=2))
    else:
        print(f"model       {opened.name}")
        for finding in findings:
            print(f"\n{lines_of(finding)}")
        print(f"\n{conclusion(findings)}")
    outcomes = {finding.outcome for finding in findings}
    return 1 if "leak" in outcomes else 2 if outcomes <= {"not checked"} else 0


def open_model(arguments: argparse.Namespace) -> OpenedModel:
    """Open the model that the arguments name; raise UsageError unless they name exactly one."""
    if (arguments.path is None) == (arguments.model is None):
        raise UsageError("give either a PATH or --model, not both and not none")
    if arguments.path is not None and (arguments.vocab_size, arguments.seq_len) != (None, None):
        raise UsageError(
            f"--vocab-size and --seq-len are for --model; {arguments.path} has its own values, leave them out"
        )
    from nas.audit.opened_model import open_factory, open_path

    if arguments.path is not None:
        return open_path(arguments.path)
    if arguments.vocab_size is None or arguments.seq_len is None:
        raise UsageError("--model needs --vocab-size and --seq-len")
    return open_factory(arguments.model, arguments.vocab_size, arguments.seq_len)


def audit(opened: OpenedModel, corpus: str | None, *, train: bool) -> Iterator[Finding]:
    """Run every check, in an order in which the failure of one explains those after it."""
    from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
    from nas.audit.decoding import check_cache
    from nas.audit.learning import check_learning
    from nas.audit.text_checks import check_with_text

    model = opened.model
    yield check_future_tokens(model)
    yield check_gradients(model)
    yield check_probabilities(model)
    yield check_cache(model)
    yield from check_with_text(opened, corpus)
    if train:
        yield check_learning(model)


def lines_of(finding: Finding) -> str:
    """Return the lines of a finding: outcome, check and figure, then the method and the advice."""
    advice = [finding.advice] if finding.advice else []
    shown = advice if finding.outcome == "not checked" else [finding.figure, finding.method, *advice]
    return "\n            ".join([f"{_SIGNS[finding.outcome]:<11} {finding.check}: {shown[0]}", *shown[1:]])


def conclusion(findings: list[Finding]) -> str:
    leaks = [finding.check for finding in findings if finding.outcome == "leak"]
    skipped = [finding.check for finding in findings if finding.outcome == "not checked"]
    if len(skipped) == len(findings):
        return "nothing could be checked"
    result = f"leaks found by: {', '.join(leaks)}" if leaks else "no leak found"
    return f"{result}; not checked: {', '.join(skipped)}" if skipped else result


if __name__ == "__main__":
    cli.run(main, "nas.audit")
