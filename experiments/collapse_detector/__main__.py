"""`python -m experiments.collapse_detector`: the detector's thresholds, and what they find and falsely find.

Thresholds come from packages of `human_code.MAKING`, false alarms are counted on those of JUDGING. Recall is on
loops made by hand from JUDGING's lines.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.collapse_detector.human_code import JUDGING, MAKING, Window, documents, versions, windows
from experiments.collapse_detector.loops import DAMAGES, KINDS, collapsed
from experiments.document import markdown, write_tables
from nas import cli
from nas.evaluate.calibration import LENGTHS
from nas.evaluate.collapse.detector import (
    DETECTOR_VERSION,
    MEASURES,
    RULES,
    THRESHOLDS_FILE,
    collapse_rule,
    measure,
    thresholds,
)
from nas.system.files import write_json

PAGE = Path("experiments/collapse_detector/README.md")
COMMAND = "python -m experiments.collapse_detector"
MAKING_WINDOWS, JUDGING_WINDOWS = 2000, 500
"""A package and length. Ten packages to judge by make 5,000 windows."""
LOOPS_OF_A_KIND = 200

_ALLOWED_TOGETHER = 0.004
"""The share of human windows that may be called collapsed in calibration, by all measures together."""
_ALLOWED_ALONE = 0.0005
"""The share for each measure but the loops and the near loop. A near loop, which noise makes hard, takes the rest."""
_LOOP_SHARE = 0.3
"""The share of a text that a loop must cover, at any length: people's code practically never ends in one so long, and
a model that has looped for a third of a text does not get out."""
_MIN = {"invisible": 0.7, "copied": 0.6, "repeated_lines": 0.6, "near_loop": 0.6, "sameness": 0.7, "inner_loop": 0.3}
"""Thresholds are never lower, however clean the calibration text."""
_MAX = {"near_loop": 0.72, "inner_loop": 0.8, "sameness": 0.8}
"""Nor are these higher: noise on one character in twenty leaves about so much of a loop,
and what is nearly one character is a collapse."""


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.collapse_detector", "Calibrate the collapse detector and judge it.")
    built.add_argument(
        "--judge-only", action="store_true", help="leave the thresholds as they are and only make the tables"
    )
    built.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help=f"where the tables go (default: {PAGE})")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if not arguments.judge_only:
        write_json(THRESHOLDS_FILE, calibrated())
        thresholds.cache_clear()
    tables = [false_alarm_table(), recall_table(), threshold_table()]
    write_tables(arguments.page, "detector", "\n\n".join(tables))
    print(*tables, f"wrote {arguments.page}", sep="\n\n")
    return 0


def calibrated() -> dict[str, object]:
    """The content of the thresholds' file."""
    per_length = [_limits(windows(MAKING, length, MAKING_WINDOWS)) for length in LENGTHS]
    return {
        "made_by": COMMAND,
        "detector_version": DETECTOR_VERSION,
        "packages": versions(MAKING),
        "windows_per_package": MAKING_WINDOWS,
        "lengths": list(LENGTHS),
        "thresholds": {name: [round(limits[name], 4) for limits in per_length] for name in MEASURES},
    }


def _limits(found: Sequence[Window]) -> dict[str, float]:
    measured = [measure(one.text, one.before) for one in found]
    limits = {"last_loop": _LOOP_SHARE, "counting_loop": _LOOP_SHARE}
    for name in MEASURES.keys() - limits.keys() - {"near_loop"}:
        limits[name] = max(_MIN[name], float(np.quantile([one[name] for one in measured], 1 - _ALLOWED_ALONE)))
    called = [any(one[name] > limit for name, limit in limits.items()) for one in measured]
    others = sorted((one["near_loop"] for one, is_called in zip(measured, called, strict=True) if not is_called))
    left = max(0, round(_ALLOWED_TOGETHER * len(found)) - sum(called))
    limits["near_loop"] = max(_MIN["near_loop"], others[-left - 1])
    return limits | {name: min(limits[name], most) for name, most in _MAX.items()}


def false_alarm_table() -> str:
    """Windows of packages that were not calibrated on, and the rules that call them collapsed."""
    rows = []
    for length in LENGTHS:
        found = windows(JUDGING, length, JUDGING_WINDOWS)
        started = time.perf_counter()
        rules = [collapse_rule(one.text, one.before) for one in found]
        milliseconds = 1000 * (time.perf_counter() - started) / len(found)
        fired = Counter(rule for rule in rules if rule)
        rows.append(
            [str(length), f"{len(found):,}", f"**{fired.total()}**"]
            + [str(fired[rule]) for rule in RULES]
            + [f"{milliseconds:.2f}"]
        )
    return markdown(["bytes", "human windows", "false alarms", *RULES, "ms a window"], rows)


def recall_table() -> str:
    """The share of made loops that is found, a row a length and damage."""
    rows = [
        [str(length), damage, *(f"{share:.1%}" for share in shares), f"**{np.mean(shares):.1%}**"]
        for length, damage, shares in _recalls()
    ]
    return markdown(["characters", "loop", *KINDS, "all"], rows)


def _recalls() -> Iterator[tuple[int, str, list[float]]]:
    material = [text for package in JUDGING for text in documents(package)]
    for length in LENGTHS:
        for damage in DAMAGES:
            shares = []
            for kind in KINDS:
                texts = (
                    collapsed(kind, damage, length, material, f"{length} {damage} {kind} {number}")
                    for number in range(LOOPS_OF_A_KIND)
                )
                shares.append(sum(collapse_rule(text) is not None for text in texts) / LOOPS_OF_A_KIND)
            yield length, damage, shares


def threshold_table() -> str:
    rows = [[name, MEASURES[name], *(f"{one:.3f}" for one in values)] for name, values in thresholds().items()]
    return markdown(["measure, above", "rule", *(f"{length}" for length in LENGTHS)], rows)


if __name__ == "__main__":
    cli.run(main, "experiments.collapse_detector")
