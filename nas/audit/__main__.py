"""`python -m nas.audit`: can this language model see what it is asked to predict?"""

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
    from nas.audit.opening import OpenedModel

_SIGNS = {"passed": "ok", "leak": "LEAK", "warning": "warning", "not checked": "not checked"}


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.audit", "Check a causal language model, its loss and its decoding for leaks of the answer.")
    which = built.add_argument_group("which model")
    which.add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="an arch JSON, a checkpoint, or a folder of transformers'"
    )
    which.add_argument("--model", metavar="MODULE:FACTORY", help="anyone's: a function that returns an nn.Module")
    which.add_argument("--vocab-size", type=cli.positive_int, metavar="V", help="with --model: ids are 0 to V-1")
    which.add_argument("--seq-len", type=cli.positive_int, metavar="T", help="with --model: the longest input")
    what = built.add_argument_group("what is checked beside its mechanics")
    what.add_argument(
        "--corpus", metavar="PATH", help="the loss on this text, split as in a search, and copies in the split"
    )
    what.add_argument("--train", action="store_true", help="train a copy on random tokens, which cannot be learnt")
    built.add_argument("--json", action="store_true", help="print one JSON object")
    return built


def main(argv: list[str] | None = None) -> int:
    """0 without a leak, 1 with one, 2 when nothing could be checked."""
    arguments = parser().parse_args(argv)
    opened = open_model(arguments)
    findings = list(audit(opened, arguments.corpus, train=arguments.train))
    if arguments.json:
        print(json.dumps({"model": opened.name, "findings": [one.as_json() for one in findings]}, indent=2))
    else:
        print(f"model       {opened.name}")
        for one in findings:
            print(f"\n{lines_of(one)}")
        print(f"\n{conclusion(findings)}")
    verdicts = {one.verdict for one in findings}
    return 1 if "leak" in verdicts else 2 if verdicts <= {"not checked"} else 0


def open_model(arguments: argparse.Namespace) -> OpenedModel:
    if (arguments.path is None) == (arguments.model is None):
        raise UsageError("give either a PATH or --model, not both or none of them")
    if arguments.path is not None and (arguments.vocab_size, arguments.seq_len) != (None, None):
        raise UsageError(f"--vocab-size and --seq-len are of --model; {arguments.path} says its own, so leave them out")
    from nas.audit.opening import open_factory, open_path

    if arguments.path is not None:
        return open_path(arguments.path)
    if arguments.vocab_size is None or arguments.seq_len is None:
        raise UsageError("--model needs --vocab-size and --seq-len too")
    return open_factory(arguments.model, arguments.vocab_size, arguments.seq_len)


def audit(opened: OpenedModel, corpus: str | None, *, train: bool) -> Iterator[Finding]:
    """Every check, in the order in which its failure explains those after it."""
    from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
    from nas.audit.decoding import check_cache
    from nas.audit.learning import check_learning
    from nas.audit.on_text import check_on_text

    subject = opened.subject
    yield check_future_tokens(subject)
    yield check_gradients(subject)
    yield check_probabilities(subject)
    yield check_cache(subject)
    yield from check_on_text(opened, corpus)
    if train:
        yield check_learning(subject)


def lines_of(finding: Finding) -> str:
    said = [finding.advice] if finding.advice else []
    shown = said if finding.verdict == "not checked" else [finding.figure, finding.did, *said]
    return "\n            ".join([f"{_SIGNS[finding.verdict]:<11} {finding.check}: {shown[0]}", *shown[1:]])


def conclusion(findings: list[Finding]) -> str:
    leaks = [one.check for one in findings if one.verdict == "leak"]
    skipped = [one.check for one in findings if one.verdict == "not checked"]
    if len(skipped) == len(findings):
        return "nothing could be checked"
    said = f"leaks found by: {', '.join(leaks)}" if leaks else "no leak found"
    return f"{said}; not checked: {', '.join(skipped)}" if skipped else said


if __name__ == "__main__":
    cli.run(main, "nas.audit")
