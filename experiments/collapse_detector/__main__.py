"""`python -m experiments.collapse_detector`: what share of collapsed text the detector finds, and of human code.

Thresholds are calibrated on the packages of `human_code.CALIBRATION`, false alarms are counted on those of EVALUATION.
Recall is measured on synthetic loops of lines from EVALUATION.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from experiments import options
from experiments.collapse_detector.human_code import CALIBRATION, EVALUATION, Window, documents, versions, windows
from experiments.collapse_detector.loops import DAMAGES, KINDS, synthetic_loop
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

COMMAND = "python -m experiments.collapse_detector"
CALIBRATION_WINDOWS, EVALUATION_WINDOWS = 2000, 500
"""Windows per package and length. The ten packages of EVALUATION give 5,000 windows."""
LOOPS_PER_KIND = 200

_ALLOWED_TOGETHER = 0.004
"""Share of human windows that all measures together may call collapsed in calibration."""
_ALLOWED_ALONE = 0.0005
"""Share for each measure except the loops and the near loop. The near loop, which noise makes hard, gets the rest."""
_LOOP_SHARE = 0.3
"""Share of a text that a loop must cover, at any length: human code practically never ends in a loop so long, and a
model that has looped for a third of a text does not stop."""
_MIN = {"invisible": 0.7, "copied": 0.6, "repeated_lines": 0.6, "near_loop": 0.6, "sameness": 0.7, "inner_loop": 0.3}
"""Lower bounds of thresholds, however clean the calibration text is."""
_MAX = {"near_loop": 0.72, "inner_loop": 0.8, "sameness": 0.8}
"""Upper bounds of thresholds: noise on one character in twenty leaves about so much of a loop, and text of nearly one
character has collapsed."""


def parser() -> argparse.ArgumentParser:
    built = options.parser("collapse_detector", "Calibrate the collapse detector and evaluate it.")
    built.add_argument("--evaluate-only", action="store_true", help="keep the thresholds and only make the tables")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if not arguments.evaluate_only:
        write_json(THRESHOLDS_FILE, calibrate())
        thresholds.cache_clear()
    tables = [false_alarm_table(), recall_table(), threshold_table()]
    write_tables(arguments.doc, "detector", "\n\n".join(tables))
    print(*tables, f"written: {arguments.doc}", sep="\n\n")
    return 0


def calibrate() -> dict[str, object]:
    """Return the content of the thresholds file."""
    per_length = [_limits(windows(CALIBRATION, length, CALIBRATION_WINDOWS)) for length in LENGTHS]
    return {
        "made_by": COMMAND,
        "detector_version": DETECTOR_VERSION,
        "packages": versions(CALIBRATION),
        "windows_per_package": CALIBRATION_WINDOWS,
        "lengths": list(LENGTHS),
        "thresholds": {name: [round(limits[name], 4) for limits in per_length] for name in MEASURES},
    }


def _limits(samples: Sequence[Window]) -> dict[str, float]:
    """Return the threshold of each measure at one length."""
    measured = [measure(window.text, window.before) for window in samples]
    limits = {"last_loop": _LOOP_SHARE, "counting_loop": _LOOP_SHARE}
    for name in MEASURES.keys() - limits.keys() - {"near_loop"}:
        limits[name] = max(_MIN[name], float(np.quantile([values[name] for values in measured], 1 - _ALLOWED_ALONE)))
    is_called = [any(values[name] > limit for name, limit in limits.items()) for values in measured]
    others = sorted(values["near_loop"] for values, called in zip(measured, is_called, strict=True) if not called)
    left = max(0, round(_ALLOWED_TOGETHER * len(samples)) - sum(is_called))
    limits["near_loop"] = max(_MIN["near_loop"], others[-left - 1])
    return limits | {name: min(limits[name], maximum) for name, maximum in _MAX.items()}


def false_alarm_table() -> str:
    """Return how many windows of packages that were not calibrated on each rule calls collapsed."""
    rows = []
    for length in LENGTHS:
        samples = windows(EVALUATION, length, EVALUATION_WINDOWS)
        started = time.perf_counter()
        rules = [collapse_rule(window.text, window.before) for window in samples]
        milliseconds = 1000 * (time.perf_counter() - started) / len(samples)
        fired = Counter(rule for rule in rules if rule)
        rows.append(
            [str(length), f"{len(samples):,}", f"**{fired.total()}**"]
            + [str(fired[rule]) for rule in RULES]
            + [f"{milliseconds:.2f}"]
        )
    return markdown(["bytes", "human windows", "false alarms", *RULES, "ms a window"], rows)


def recall_table() -> str:
    """Return the share of synthetic loops that is found, by length and damage."""
    rows = [
        [str(length), damage, *(f"{share:.1%}" for share in shares), f"**{np.mean(shares):.1%}**"]
        for length, damage, shares in _recalls()
    ]
    return markdown(["characters", "loop", *KINDS, "all"], rows)


def _recalls() -> Iterator[tuple[int, str, list[float]]]:
    material = [text for package in EVALUATION for text in documents(package)]
    for length in LENGTHS:
        for damage in DAMAGES:
            shares = []
            for kind in KINDS:
                texts = (
                    synthetic_loop(kind, damage, length, material, f"{length} {damage} {kind} {number}")
                    for number in range(LOOPS_PER_KIND)
                )
                shares.append(sum(collapse_rule(text) is not None for text in texts) / LOOPS_PER_KIND)
            yield length, damage, shares


def threshold_table() -> str:
    """Return the threshold of each measure by length."""
    rows = [[name, MEASURES[name], *(f"{value:.3f}" for value in values)] for name, values in thresholds().items()]
    return markdown(["measure, above", "rule", *(f"{length}" for length in LENGTHS)], rows)


if __name__ == "__main__":
    cli.run(main, "experiments.collapse_detector")
