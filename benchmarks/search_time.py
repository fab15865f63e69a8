"""`python -m benchmarks.search_time [STUDY]`: what does a search spend its time on, beside training?

From the records of a finished study alone, but for the detector, which is timed on what that study wrote.
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
    built = parser("search_time", "Split the time of a finished search into training and all else.")
    where = " or ".join(map(str, DEFAULTS))
    built.add_argument("study", nargs="?", type=Path, metavar="STUDY", help=f"its folder (default: {where})")
    arguments = built.parse_args(argv)
    folder = arguments.study or next((one for one in DEFAULTS if (one / "study.json").exists()), DEFAULTS[-1])
    study, records = read_study(folder / "study.json"), read_trials(folder / "trials.jsonl")
    if not any(one.measured for one in records):
        raise StudyError(f"{folder} holds no trial with its times; name a finished study")
    found = search_time(study, records) | {"detection": detection(folder)}
    write_result("search_time", arguments.out, argv, found)
    return 0


def search_time(study: StudyRecord, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """Worker-seconds of the search by what they went into, and the same of the trials of each vocabulary."""
    timed = [one for one in records if one.measured]
    vocabularies = sorted({one.vocabulary for one in timed}, key=lambda name: (len(name), name))
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
            vocabulary_time(name, [one for one in timed if one.vocabulary == name]) for name in vocabularies
        ],
    }


def parts_of(records: Sequence[TrialRecord]) -> dict[str, float]:
    """Seconds of these trials by what they went into."""
    measured = [one.measured for one in records if one.measured]
    parts = {
        "training": sum(one.train_seconds for one in measured),
        "evaluation": sum(one.evaluate_seconds for one in measured),
        "generation and detection": sum(one.generate_seconds for one in measured),
    }
    return parts | {"leak gate, saving": sum(one.total_seconds for one in measured) - sum(parts.values())}


def vocabulary_time(name: str, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """The trials of one vocabulary: mean seconds of one, and what share is not training."""
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
    """Milliseconds of the collapse detector a completion: on the study's samples, else on people's code."""
    from nas.evaluate.collapse import collapse_rule

    files = sorted((folder / "samples").glob("*.jsonl"))
    texts = samples(files) if files else people_code()
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
    """Completions and prompts, the same number of each trial."""
    found = []
    for path in files:
        lines = path.read_text(encoding="utf-8").split("\n")[: max(1, MAX_TEXTS // len(files))]
        read = [json.loads(line) for line in lines if line]
        found += [(one["completion"], one["prompt"]) for one in read]
    return found


def people_code() -> list[tuple[str, str]]:
    from experiments.collapse_detector.human_code import windows
    from nas.corpus.sources import STDLIB

    return [(one.text, one.before) for one in windows([STDLIB], CUT_BYTES, MAX_TEXTS)]


if __name__ == "__main__":
    cli.run(main, "benchmarks.search_time")
