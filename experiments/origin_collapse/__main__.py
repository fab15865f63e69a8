"""`python -m experiments.origin_collapse`: why the origin's model wrote `):):):`.

The experiment that this project grew out of had no causal mask, and blamed vocabulary, data, sampling and depth. Here
its recipe is trained at a size for two cores, without the mask and with it, and then with the mask in place each of the
blamed things is changed alone.
"""

from __future__ import annotations

import argparse
import sys

from experiments import options
from nas import cli


def parser() -> argparse.ArgumentParser:
    built = options.parser(
        "origin_collapse", "Reproduce the origin's collapse and test its explanations.", data="origin-collapse.jsonl"
    )
    built.add_argument("--cases", type=cli.positive_int, metavar="N", help="only the first N cases (default: all)")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from dataclasses import asdict

    from experiments.document import write_tables
    from experiments.origin_collapse.cases import CASES
    from experiments.origin_collapse.measurements import measure, open_cases
    from experiments.origin_collapse.tables import tables
    from nas.data.prepare import prepare_data
    from nas.system.machine import available_cores
    from nas.training.numerics import plan_numerics

    cases = CASES[: arguments.cases]
    numerics = plan_numerics("cpu", threads=available_cores())
    numerics.apply()
    data = prepare_data("stdlib", list(dict.fromkeys(case.vocabulary for case in cases)))
    results = open_cases(arguments.data, data, cli.command_line("experiments.origin_collapse", argv))
    for case in cases:
        if not results.has(case.name, settings=asdict(case)):
            result = measure(case, data, numerics)
            results.add(result)
            print(f"{case.name}: {result.perplexity:.2f} perplexity, {result.seconds} s", file=sys.stderr)
    page = tables([results[case.name] for case in cases])
    write_tables(arguments.doc, "cases", page)
    print(f"{page}\n\nwritten: {arguments.data}, {arguments.doc}")
    return 0


if __name__ == "__main__":
    cli.run(main, "experiments.origin_collapse")
