"""`python -m experiments.junk`: the model of human code that tells token soup, and what it finds and falsely finds.

The model is trained on some packages of `human_code.MAKING`, the thresholds come from the others, and false alarms are
counted on those of JUDGING. Token soup is made of JUDGING's tokens, loops of its lines.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from experiments.collapse_detector.human_code import JUDGING, MAKING, documents, versions, windows
from experiments.collapse_detector.loops import KINDS, collapsed
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

PAGE = Path("experiments/collapse_detector/README.md")
COMMAND = "python -m experiments.junk"
TRAINING = (STDLIB, "torch", "sqlalchemy")
CALIBRATING = tuple(package for package in MAKING if package not in TRAINING)
TRAINING_CHARACTERS = 8_000_000
"""Of a package, whole files in random order; the last one is cut."""
MIN_SEEN = (1, 1, 32, 32, 32, 32)
"""N-grams of 1, 2, ... characters that are seen less often are dropped. They may not become fewer from one length to
the next: a kept n-gram's context is kept then."""
CALIBRATING_WINDOWS, JUDGING_WINDOWS = 2500, 500
"""A package and length."""
LOOPS_OF_A_KIND = 200

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.junk", "Train and calibrate the measure of token soup and judge it.")
    built.add_argument(
        "--judge-only", action="store_true", help="leave model and thresholds as they are and only make the tables"
    )
    built.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help=f"where the tables go (default: {PAGE})")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if not arguments.judge_only:
        save_model(MODEL_FILE, count_ngrams(training_texts(), MIN_SEEN))
        human_code_model.cache_clear()
        write_json(THRESHOLDS_FILE, calibrated())
        p99_bits.cache_clear()
    tables = [false_alarm_table(), found_table()]
    write_tables(arguments.page, "junk", "\n\n".join(tables))
    print(*tables, f"wrote {arguments.page}", sep="\n\n")
    return 0


def training_texts() -> list[str]:
    """The same number of characters from each package."""
    chosen = []
    for package in TRAINING:
        texts = list(documents(package))
        random.Random(0).shuffle(texts)
        left = TRAINING_CHARACTERS
        for text in texts:
            chosen.append(text[:left])
            left -= len(chosen[-1])
    return [text for text in chosen if text]


def calibrated() -> dict[str, object]:
    """The content of the thresholds' file."""
    found = [windows(CALIBRATING, length, CALIBRATING_WINDOWS) for length in LENGTHS]
    return {
        "made_by": COMMAND,
        "trained_on": versions(TRAINING),
        "characters_per_package": TRAINING_CHARACTERS,
        "calibrated_on": versions(CALIBRATING),
        "windows_per_package": CALIBRATING_WINDOWS,
        "lengths": list(LENGTHS),
        "p99_bits": [round(float(np.quantile([junk_bits(one.text) for one in few], 0.99)), 4) for few in found],
    }


def false_alarm_table() -> str:
    """Share of human windows called junk, by package and length; then the thresholds, and the time it takes."""
    shares, milliseconds = [], []
    for length in LENGTHS:
        found = [[one.text for one in windows([package], length, JUDGING_WINDOWS)] for package in JUDGING]
        started = time.perf_counter()
        shares.append([_share(is_junk, texts) for texts in found])
        milliseconds.append(1000 * (time.perf_counter() - started) / (len(JUDGING) * JUDGING_WINDOWS))
    rows = [
        [package, *(f"{one:.1%}" for one in of_package)]
        for package, of_package in zip(JUDGING, zip(*shares, strict=True), strict=True)
    ]
    rows.append(["**all**", *(f"**{np.mean(one):.1%}**" for one in shares)])
    rows.append(["median package", *(f"{np.median(one):.1%}" for one in shares)])
    rows.append(["junk above, bits", *(f"{human_p99(length):.2f}" for length in LENGTHS)])
    rows.append(["ms a window", *(f"{one:.2f}" for one in milliseconds)])
    return markdown(["human windows called junk, bytes", *map(str, LENGTHS)], rows)


def found_table() -> str:
    """Share of token soup that is found, and of loops that are called junk, a row a length."""
    rows = []
    for length in LENGTHS:
        human = [one.text for one in windows(JUDGING, length, JUDGING_WINDOWS)]
        soups = (shuffled_tokens(human), drawn_tokens(human), shuffled_characters(human))
        loops = _loops(length)
        shares = [_share(is_junk, texts) for texts in (*soups, loops)]
        shares.append(_share(lambda text: is_junk(text) and not collapse_rule(text), loops))
        rows.append([str(length), *(f"{share:.1%}" for share in shares)])
    header = ["length", "tokens shuffled", "tokens drawn", "characters shuffled", "loops", "loops, no collapse"]
    return markdown(header, rows)


def shuffled_tokens(texts: Sequence[str]) -> list[str]:
    """Each text's words, symbols and white space in random order."""
    rng = random.Random(0)
    found = [_TOKEN.findall(text) for text in texts]
    return ["".join(rng.sample(tokens, len(tokens))) for tokens in found]


def drawn_tokens(texts: Sequence[str]) -> list[str]:
    """As many texts as long, of tokens drawn one by one, as often as they stand in any of the texts."""
    rng = random.Random(0)
    tokens = [token for text in texts for token in _TOKEN.findall(text)]
    return ["".join(rng.choices(tokens, k=len(text)))[: len(text)] for text in texts]


def shuffled_characters(texts: Sequence[str]) -> list[str]:
    """Each text's characters in random order."""
    rng = random.Random(0)
    return ["".join(rng.sample(text, len(text))) for text in texts]


def _loops(length: int) -> list[str]:
    material = [text for package in JUDGING for text in documents(package)]
    return [
        collapsed(kind, "pure", length, material, f"{length} {kind} {number}")
        for kind in KINDS
        for number in range(LOOPS_OF_A_KIND)
    ]


def _share(holds: Callable[[str], bool], texts: Sequence[str]) -> float:
    return sum(map(holds, texts)) / len(texts)


if __name__ == "__main__":
    cli.run(main, "experiments.junk")
