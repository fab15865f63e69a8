"""The flags of a command, for the tests that list them and those that look for them in documents."""

from __future__ import annotations

import argparse


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    """The spellings of all flags, those of subcommands too."""
    within = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    flags = {flag for action in parser._actions for flag in action.option_strings}
    return flags.union(*(flags_of(one) for action in within for one in action.choices.values()))
