"""Which flags of nas.report go with what it is given."""

from __future__ import annotations

import argparse

from nas.errors import UsageError

_TAKES = {
    "a list of studies": (),
    "an Optuna storage": ("out", "study"),
    "a study": ("png", "json", "out", "collapse_weight", "format", "no_samples"),
    "a study as text": ("text", "collapse_weight"),
    "a page of several studies": ("out", "collapse_weight"),
    "runs of nas.train": ("png", "json", "out"),
}


def refuse_others(options: argparse.Namespace, parser: argparse.ArgumentParser, what: str) -> None:
    """UsageError for a flag that was given and that `what` would leave unseen."""
    takes = _TAKES[what]
    for name, value in vars(options).items():
        if name not in ("folders", "list", *takes) and value != parser.get_default(name):
            taken = ", ".join(map(_flag, takes)) or "no other"
            raise UsageError(f"{_flag(name)} does not go with {what}, which takes {taken}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
