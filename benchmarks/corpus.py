"""`python -m benchmarks.corpus`: what do a corpus of 100 MB and its vocabularies take, and one larger than memory?

Wheels are fetched before the clock starts. The large corpus is for memory alone: lines of the other, drawn at random.
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
LINES_DRAWN_FROM = 1_000_000
LARGE_VOCABULARY = "bpe-4096"

PREPARE = "import sys; from nas.data import prepare_data; prepare_data(sys.argv[1], sys.argv[2:])"
READ_EPOCH = """
import sys
from nas.data import prepare_data
from nas.training.batches import Batches
data = prepare_data(sys.argv[1], sys.argv[2:])
tokens = data.tokens(sys.argv[2], "train")
batches = Batches(tokens, batch_size=32, seq_length=256, seed=0)
for step in range(len(tokens) // (32 * 256)):
    batches.at(step)
"""


def main(argv: list[str] | None = None) -> int:
    built = parser("corpus", "Time and memory of building a corpus, its vocabularies, and one larger than memory.")
    built.add_argument("--rounds", type=cli.positive_int, default=3, metavar="N", help="of training (default: 3)")
    built.add_argument("--gigabytes", type=cli.positive_float, default=2.0, metavar="N", help="of the large one (default: 2)")
    arguments = built.parse_args(argv)
    # As in a first search: what is prepared here must not switch it off for what is measured.
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wheels = [one for one in find_recipe(CORPUS).sources if isinstance(one, WheelSource)]
        fetched = fetch_wheels(wheels, print_progress)
        (root / "wheels").mkdir()
        for path in fetched:
            (root / "wheels" / path.name).symlink_to(path)
        builds = {name: measured(root, PREPARE, CORPUS) for name in ("build", "again")}
        data = prepare_data(CORPUS, [], cache=root)
        found = {
            "builds": builds,
            "corpus": {"splits": data.manifest["splits"], "similarity": data.manifest["similarity"]},
            "vocabularies": vocabularies(data, arguments.rounds),
            "rounds": arguments.rounds,
            "encoding": encoding(root, data),
            "large": large(root, data, round(arguments.gigabytes * 1e9)),
        }
    write_result("corpus", arguments.out, argv, found)
    return 0


def vocabularies(data: PreparedData, rounds: int) -> dict[str, Any]:
    """Train the largest BPE of `base` alone, and all of them as a search does: the largest, and cuts of it."""
    sizes = sorted(bpe_size(name) or 0 for name in load_space("base").vocabulary_names)
    texts = data.documents("train")

    def train_all() -> None:
        largest = train_bpe(texts, sizes[-1])
        for size in sizes:
            largest.cut(size)

    seconds = interleaved({"alone": partial(train_bpe, texts, sizes[-1]), "all": train_all}, rounds)
    return {
        "sizes": sizes,
        "seconds": {name: spread(taken) for name, taken in seconds.items()},
        "all_times_alone": ratio(seconds["all"], seconds["alone"]),
    }


def encoding(root: Path, data: PreparedData) -> dict[str, Any]:
    """All vocabularies of `base`, trained, encoded and written."""
    names = load_space("base").vocabulary_names
    taken = measured(root, PREPARE, CORPUS, *names)
    return taken | {"num_bytes": sum(one["bytes"] for one in data.manifest["splits"].values()), "vocabularies": names}


def large(root: Path, data: PreparedData, num_bytes: int) -> dict[str, Any]:
    """A text of `num_bytes`: built, encoded, and read once through in the order of training."""
    text = root / "large.txt"
    write_large(text, data, num_bytes)
    return {
        "num_bytes": text.stat().st_size,
        "vocabulary": LARGE_VOCABULARY,
        "prepare": measured(root, PREPARE, str(text), LARGE_VOCABULARY),
        "read": measured(root, READ_EPOCH, str(text), LARGE_VOCABULARY),
    }


def write_large(path: Path, data: PreparedData, num_bytes: int) -> None:
    rng = random.Random(0)
    lines = [line + "\n" for text in data.documents("train") for line in text.split("\n") if line.strip()]
    lines = rng.sample(lines, min(LINES_DRAWN_FROM, len(lines)))
    if shutil.disk_usage(path.parent).free < 5 * num_bytes:
        raise CacheError(f"{path.parent} has no room for {num_bytes:,} bytes of text and what is made of them")
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < num_bytes:
            written += file.write("".join(rng.choices(lines, k=10_000)))


def measured(root: Path, code: str, *arguments: str) -> dict[str, float]:
    """Seconds of a process of its own, and the most anonymous memory it had, sampled; its cache is `root`."""
    started = time.monotonic()
    environment = os.environ | {"CODENAS_CACHE": str(root)}
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        most = [0]
        watcher = threading.Thread(target=_watch, args=(process, most))
        watcher.start()
        code_of_exit = process.wait()
        watcher.join()
    if code_of_exit:
        raise CacheError(f"python -c '{code.strip()}' {' '.join(arguments)} failed with exit code {code_of_exit}")
    return {"seconds": time.monotonic() - started, "anonymous_bytes": most[0]}


def _watch(process: subprocess.Popen[bytes], most: list[int]) -> None:
    """RssAnon of Linux: memory that is not a mapped file's."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            most[0] = max(most[0], 1024 * int(lines.get("RssAnon", "0 kB").split()[0]))
        except (OSError, ValueError):
            pass
        time.sleep(0.05)


if __name__ == "__main__":
    cli.run(main, "benchmarks.corpus")
