"""The `nas` script: `nas COMMAND ...` does the same as `python -m nas.COMMAND ...`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

from nas import cli
from nas.errors import UsageError, unknown_name

COMMANDS = {
    "corpus": "build a corpus: read sources, clean and split them",
    "search": "search for an architecture and its vocabulary, export the best",
    "report": "write the report of a study or a training, rank a study's trials again",
    "train": "train an exported architecture fully",
    "tokenizer": "train a tokenizer or check an existing one, show how it splits code",
    "export": "write a checkpoint for transformers or llama.cpp",
    "play": "complete code interactively, once, or for a file of prompts",
    "evaluate": "let a model write, measure collapse, junk and valid Python",
    "audit": "check a model, its loss and its decoding for leaks of future tokens",
}


def main() -> None:
    """Run the command that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    cli.run(lambda: _dispatch(name), f"nas {name}" if name in COMMANDS else "nas")


def _dispatch(name: str) -> int | None:
    if name in ("-h", "--help"):
        print("usage: nas COMMAND [--help] ...\n")
        for command, description in COMMANDS.items():
            print(f"  {command:<9} {description}")
        return 0
    if name not in COMMANDS:
        raise UsageError(unknown_name("command", name, COMMANDS))
    main: Callable[[list[str]], int] = importlib.import_module(f"nas.{name}.__main__").main
    return main(sys.argv[2:])


if __name__ == "__main__":
    main()
