"""`nas COMMAND ...`: the same as `python -m nas.COMMAND ...`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

from nas import cli
from nas.errors import UsageError, unknown_name

COMMANDS = {
    "corpus": "build a corpus: sources, cleaning, split",
    "search": "search an architecture and its vocabulary, export the best",
    "report": "rank a study's trials again or draw a training's curves, write the report",
    "train": "train an exported architecture fully",
    "tokenizer": "train a tokenizer or check anyone's, show how it cuts code",
    "export": "write a checkpoint as transformers or llama.cpp load it",
    "play": "complete code at a prompt, once, or for a file of prompts",
    "evaluate": "let a model write, count collapse, junk and valid Python",
    "audit": "check a model, its loss and its decoding for leaks of the answer",
}


def main() -> None:
    """Entry point of the `nas` script."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    cli.run(lambda: _dispatch(name), f"nas {name}" if name in COMMANDS else "nas")


def _dispatch(name: str) -> int | None:
    if name in ("-h", "--help"):
        print("usage: nas COMMAND [--help] ...\n")
        for command, what in COMMANDS.items():
            print(f"  {command:<9} {what}")
        return 0
    if name not in COMMANDS:
        raise UsageError(unknown_name("command", name, COMMANDS))
    main: Callable[[list[str]], int] = importlib.import_module(f"nas.{name}.__main__").main
    return main(sys.argv[2:])


if __name__ == "__main__":
    main()
