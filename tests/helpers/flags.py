"""Flags of a command, for the tests that list them or look for them in documents."""

from __future__ import annotations

import argparse


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the spellings of all flags, including those of subcommands."""
    subparsers = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    flags = {flag for action in parser._actions for flag in action.option_strings}
    return flags.union(*(flags_of(subparser) for action in subparsers for subparser in action.choices.values()))
