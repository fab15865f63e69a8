"""Write the pages of docs/ that follow from the code: every flag of every command, every key of a space file.

python docs/generate.py            # write docs/cli.md and docs/space-keys.md
python docs/generate.py --check    # exit code 1 where a page is not what would be written
"""

from __future__ import annotations

import argparse
import importlib
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from nas.__main__ import COMMANDS  # noqa: E402 - the source tree comes first
from nas.space import SearchSpace  # noqa: E402

NOTE = "<!-- Written by docs/generate.py from the code: edit the parser or the field, not this page. -->"


def cli_page() -> str:
    """Return docs/cli.md: for each command its arguments, by group, from its own parser."""
    lines = ["# Command line", "", NOTE, ""]
    lines += ["Each command is `python -m nas.NAME`, or `nas NAME`. Exit codes: 0 success, 1 failure or a leak found, "]
    lines[-1] += "2 wrong usage or input. A command that ends with a result prints it as JSON with `--json`."
    for name, summary in COMMANDS.items():
        parser = importlib.import_module(f"nas.{name}.__main__").parser()
        lines += ["", f"## nas.{name}", "", f"{summary[0].upper()}{summary[1:]}."]
        lines += list(_parser_lines(parser))
    return "\n".join(lines) + "\n"


def _parser_lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    for group in parser._action_groups:  # argparse has no public way to list them
        actions = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        nested = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
        rows = [action for action in actions if action not in nested]
        if rows:
            yield from ("", f"**{group.title}**" if group.title else "", "", "| argument | meaning |", "| --- | --- |")
            for action in rows:
                text = (action.help or "") % {"default": action.default, "prog": parser.prog}
                yield f"| `{_cell(_spelling(action))}` | {_cell(text)} |"
        for action in nested:
            for name, sub in action.choices.items():
                yield from ("", f"### {parser.prog.removeprefix('python -m ')} {name}")
                yield from _parser_lines(sub)


def _spelling(action: argparse.Action) -> str:
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    if isinstance(value, tuple):
        value = " ".join(value)
    if not action.option_strings:
        return value or action.dest
    takes_value = action.nargs != 0
    return ", ".join(action.option_strings) + (f" {value or action.dest.upper()}" if takes_value else "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def space_page() -> str:
    """Return docs/space-keys.md: every key of a space file with its default and meaning."""
    lines = ["# Keys of a space file", "", NOTE]
    for section, field in SearchSpace.model_fields.items():
        model = field.annotation
        if not hasattr(model, "model_fields"):
            continue
        lines += ["", f"## [{section}]", "", f"{(model.__doc__ or '').strip().splitlines()[0]}", ""]
        lines += ["| key | default | meaning |", "| --- | --- | --- |"]
        for key, item in model.model_fields.items():
            default = "required" if item.is_required() else f"`{_plain(item.get_default(call_default_factory=True))}`"
            lines.append(f"| `{key}` | {default} | {_cell(item.description or '')} |")
    return "\n".join(lines) + "\n"


def _plain(value: typing.Any) -> str:
    """Return a default as a space file writes it."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


PAGES = {"cli.md": cli_page, "space-keys.md": space_page}


def main() -> int:
    """Write the pages, or with --check compare them; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the pages of docs/ that follow from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page differs")
    is_check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path, text = HERE / name, page()
        if not is_check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        print(f"docs/{name} is not what the code says; run: python docs/generate.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
