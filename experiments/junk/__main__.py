"""`python -m experiments.junk`: what share of meaningless text the measure of junk finds, and of human code.

The model of human code is trained on some packages of `human_code.CALIBRATION`, the thresholds come from the others,
and false alarms are counted on those of EVALUATION. Junk is made of tokens of EVALUATION, loops of its lines.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Callable, Sequence

import numpy as np

from experiments import options
from experiments.collapse_detector.human_code import CALIBRATION, EVALUATION, documents, versions, windows
from experiments.collapse_detector.loops import KINDS, synthetic_loop
from experiments.document import markdown, write_tables
from nas import cli
from nas.corpus.sources import STDLIB
from nas.evaluate.calibration import LENGTHS
from nas.evaluate.collapse import collapse_rule
from nas.evaluate.quality.junk import (
    MODEL_FILE,
    THRESHOLDS_FILE,
    count_ngrams,
    human_code_model,
    human_p99,
    is_junk,
    junk_bits,
    p99_bits,
    save_model,
)
from nas.system.files import write_json

COMMAND = "python -m experiments.junk"
TRAINING = (STDLIB, "torch", "sqlalchemy")
THRESHOLD_PACKAGES = tuple(package for package in CALIBRATION if package not in TRAINING)
TRAINING_CHARACTERS = 8_000_000
"""Characters per package: whole files in random order, the last one cut."""
MIN_SEEN = (1, 1, 32, 32, 32, 32)
"""N-grams of 1 to 6 characters that are seen less often are dropped. The numbers must not decrease with the
length, so that the context of each kept n-gram is kept too."""
THRESHOLD_WINDOWS, EVALUATION_WINDOWS = 2500, 500
"""Windows per package and length."""
LOOPS_PER_KIND = 200

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def parser() -> argparse.ArgumentParser:
    built = options.parser("junk", "Train and calibrate the measure of junk and evaluate it.")
    built.add_argument(
        "--evaluate-only", action="store_true", help="keep the model and the thresholds and only make the tables"
    )
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if not arguments.evaluate_only:
        save_model(MODEL_FILE, count_ngrams(training_texts(), MIN_SEEN))
        human_code_model.cache_clear()
        write_json(THRESHOLDS_FILE, calibrate())
        p99_bits.cache_clear()
    tables = [false_alarm_table(), recall_table()]
    write_tables(arguments.doc, "junk", "\n\n".join(tables))
    print(*tables, f"written: {arguments.doc}", sep="\n\n")
    return 0


def training_texts() -> list[str]:
    """Return texts with the same number of characters from each package."""
    chosen = []
    for package in TRAINING:
        texts = list(documents(package))
        random.Random(0).shuffle(texts)
        left = TRAINING_CHARACTERS
        for text in texts:
            chosen.append(text[:left])
            left -= len(chosen[-1])
    return [text for text in chosen if text]


def calibrate() -> dict[str, object]:
    """Return the content of the thresholds file."""
    by_length = [windows(THRESHOLD_PACKAGES, length, THRESHOLD_WINDOWS) for length in LENGTHS]
    return {
        "made_by": COMMAND,
        "trained_on": versions(TRAINING),
        "characters_per_package": TRAINING_CHARACTERS,
        "calibrated_on": versions(THRESHOLD_PACKAGES),
        "windows_per_package": THRESHOLD_WINDOWS,
        "lengths": list(LENGTHS),
        "p99_bits": [
            round(float(np.quantile([junk_bits(window.text) for window in samples], 0.99)), 4) for samples in by_length
        ],
    }


def false_alarm_table() -> str:
    """Return the share of human windows called junk, by package and length, with thresholds and milliseconds."""
    shares, milliseconds = [], []
    for length in LENGTHS:
        by_package = [
            [window.text for window in windows([package], length, EVALUATION_WINDOWS)] for package in EVALUATION
        ]
        started = time.perf_counter()
        shares.append([_share(is_junk, texts) for texts in by_package])
        milliseconds.append(1000 * (time.perf_counter() - started) / (len(EVALUATION) * EVALUATION_WINDOWS))
    rows = [
        [package, *(f"{share:.1%}" for share in package_shares)]
        for package, package_shares in zip(EVALUATION, zip(*shares, strict=True), strict=True)
    ]
    rows.append(["**all**", *(f"**{np.mean(length_shares):.1%}**" for length_shares in shares)])
    rows.append(["median package", *(f"{np.median(length_shares):.1%}" for length_shares in shares)])
    rows.append(["junk above, bits", *(f"{human_p99(length):.2f}" for length in LENGTHS)])
    rows.append(["ms a window", *(f"{duration:.2f}" for duration in milliseconds)])
    return markdown(["human windows called junk, bytes", *map(str, LENGTHS)], rows)


def recall_table() -> str:
    """Return the share of junk that is found, and of loops that are called junk, by length."""
    rows = []
    for length in LENGTHS:
        human = [window.text for window in windows(EVALUATION, length, EVALUATION_WINDOWS)]
        junk = (shuffled_tokens(human), drawn_tokens(human), shuffled_characters(human))
        loops = _loops(length)
        shares = [_share(is_junk, texts) for texts in (*junk, loops)]
        shares.append(_share(lambda text: is_junk(text) and not collapse_rule(text), loops))
        rows.append([str(length), *(f"{share:.1%}" for share in shares)])
    header = ["length", "tokens shuffled", "tokens drawn", "characters shuffled", "loops", "loops, no collapse"]
    return markdown(header, rows)


def shuffled_tokens(texts: Sequence[str]) -> list[str]:
    """Return each text with its words, symbols and white space in random order."""
    rng = random.Random(0)
    tokenised = [_TOKEN.findall(text) for text in texts]
    return ["".join(rng.sample(tokens, len(tokens))) for tokens in tokenised]


def drawn_tokens(texts: Sequence[str]) -> list[str]:
    """Return texts of the same number and length, of tokens drawn one by one by their frequency in all texts."""
    rng = random.Random(0)
    tokens = [token for text in texts for token in _TOKEN.findall(text)]
    return ["".join(rng.choices(tokens, k=len(text)))[: len(text)] for text in texts]


def shuffled_characters(texts: Sequence[str]) -> list[str]:
    """Return each text with its characters in random order."""
    rng = random.Random(0)
    return ["".join(rng.sample(text, len(text))) for text in texts]


def _loops(length: int) -> list[str]:
    material = [text for package in EVALUATION for text in documents(package)]
    return [
        synthetic_loop(kind, "pure", length, material, f"{length} {kind} {number}")
        for kind in KINDS
        for number in range(LOOPS_PER_KIND)
    ]


def _share(holds: Callable[[str], bool], texts: Sequence[str]) -> float:
    return sum(map(holds, texts)) / len(texts)


if __name__ == "__main__":
    cli.run(main, "experiments.junk")
