"""The benchmark `python -m benchmarks.search_time [STUDY]`: the time of a search besides training.

It reads the records of a finished study; only the collapse detector is timed, on the samples of that study.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import parser, write_result
from nas import cli
from nas.errors import StudyError
from nas.records.study import StudyRecord, read_study
from nas.records.trial import TrialRecord, read_trials

DEFAULTS = (Path("trials/base"), Path("trials/reference/base"))
MAX_TEXTS = 2000
CUT_BYTES = 200


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("search_time", "Split the time of a finished search into training and everything else.")
    defaults = " or ".join(map(str, DEFAULTS))
    arguments_parser.add_argument(
        "study", nargs="?", type=Path, metavar="STUDY", help=f"folder of the study (default: {defaults})"
    )
    arguments = arguments_parser.parse_args(argv)
    folder = arguments.study or next((path for path in DEFAULTS if (path / "study.json").exists()), DEFAULTS[-1])
    study, records = read_study(folder / "study.json"), read_trials(folder / "trials.jsonl")
    if not any(record.measured for record in records):
        raise StudyError(f"{folder} has no trial with times; give the folder of a finished study")
    result = search_time(study, records) | {"detection": detection(folder)}
    write_result("search_time", arguments.out, argv, result)
    return 0


def search_time(study: StudyRecord, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """Split the worker-seconds of the search by activity, and those of each vocabulary's trials."""
    timed = [record for record in records if record.measured]
    vocabularies = sorted({record.vocabulary for record in timed}, key=lambda name: (len(name), name))
    workers = study.provenance["workers"]
    worker_seconds = workers * study.measured["search"]
    overall = parts_of(timed)
    parts = overall | {"waiting, trials that ended early": worker_seconds - sum(overall.values())}
    return {
        "study": {
            "name": study.name,
            "trials": len(records),
            "trials_without_times": len(records) - len(timed),
            "workers": workers,
            "trial_flops": study.space["training"]["trial_flops"],
            "provenance": study.provenance,
            "numerics": study.identity["numerics"],
            "wall_seconds": dict(study.measured),
        },
        "search_worker_seconds": worker_seconds,
        "parts": parts,
        "not_training_share": 1 - parts["training"] / worker_seconds,
        "vocabularies": [
            vocabulary_time(name, [record for record in timed if record.vocabulary == name]) for name in vocabularies
        ],
    }


def parts_of(records: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the seconds of these trials by activity."""
    measured = [record.measured for record in records if record.measured]
    parts = {
        "training": sum(times.train_seconds for times in measured),
        "evaluation": sum(times.evaluate_seconds for times in measured),
        "generation and detection": sum(times.generate_seconds for times in measured),
    }
    return parts | {"leak gate, saving": sum(times.total_seconds for times in measured) - sum(parts.values())}


def vocabulary_time(name: str, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return the mean seconds of a vocabulary's trials, and the share that is not training."""
    parts = {part: seconds / len(records) for part, seconds in parts_of(records).items()}
    total = sum(parts.values())
    return {
        "vocabulary": name,
        "trials": len(records),
        "seconds_per_trial": total,
        "parts": parts,
        "not_training_share": 1 - parts["training"] / total,
    }


def detection(folder: Path) -> dict[str, Any]:
    """Time the collapse detector per completion, on the study's samples or else on human code."""
    from nas.evaluate.collapse import collapse_rule

    files = sorted((folder / "samples").glob("*.jsonl"))
    texts = samples(files) if files else human_code()
    seconds = []
    for completion, prompt in texts:
        started = time.perf_counter()
        collapse_rule(completion, prompt)
        seconds.append(time.perf_counter() - started)
    return {
        "texts": "samples of the study" if files else f"{CUT_BYTES} bytes each of the standard library",
        "number": len(texts),
        "milliseconds": 1000 * statistics.mean(seconds),
    }


def samples(files: Sequence[Path]) -> list[tuple[str, str]]:
    """Return completions and their prompts, the same number from each trial."""
    texts = []
    for path in files:
        lines = path.read_text(encoding="utf-8").split("\n")[: max(1, MAX_TEXTS // len(files))]
        rows = [json.loads(line) for line in lines if line]
        texts += [(row["completion"], row["prompt"]) for row in rows]
    return texts


def human_code() -> list[tuple[str, str]]:
    from experiments.collapse_detector.human_code import windows
    from nas.corpus.sources import STDLIB

    return [(window.text, window.before) for window in windows([STDLIB], CUT_BYTES, MAX_TEXTS)]


if __name__ == "__main__":
    cli.run(main, "benchmarks.search_time")
