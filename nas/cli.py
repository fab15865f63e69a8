"""Shared parts of all commands: parsers, types of flags, and errors as one line with an exit code."""

from __future__ import annotations

import argparse
import errno
import math
import os
import re
import shlex
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

from nas.errors import CodenasError
from nas.system.files import NO_SPACE

_UNUSABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG
)  # fmt: skip


def run(command: Callable[[], int | None], name: str) -> NoReturn:
    """Run `command` and exit with 0 (success), 1 (failure), 2 (wrong usage) or 128 plus a signal's number.

    The user sees one line for every error of the family in nas.errors, for a full disk and for a path that
    cannot be written, and nothing for a closed pipe. Any other exception is a defect of ours and keeps its traceback.
    """
    warnings.showwarning = _show_warning
    try:
        signal.signal(signal.SIGTERM, _raise_interrupt)
        code = command() or 0
        sys.stdout.flush()
    except CodenasError as error:
        code = _fail(name, str(error), error.exit_code)
    except KeyboardInterrupt as interrupt:
        code = 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        if error.errno not in (*NO_SPACE, *_UNUSABLE):
            raise
        advice = "free some space" if error.errno in NO_SPACE else "check the path and its permissions"
        code = _fail(
            name, f"{error.strerror}: {error.filename or 'writing'}; {advice} and run the same command again", 1
        )
    sys.exit(code)


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return an argument parser that reports errors as one line with exit code 2.

    Flags cannot be abbreviated. They may be written with underscores, `--max_steps` for `--max-steps`.
    """
    return _Parser(prog=f"python -m {name}", description=description, allow_abbrev=False)


class _Parser(argparse.ArgumentParser):
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        arguments = sys.argv[1:] if args is None else args
        return super().parse_known_args([self._with_dashes(argument) for argument in arguments], namespace)

    def _with_dashes(self, argument: str) -> str:
        """Spell a flag of this parser with dashes; leave its value after `=` and everything else unchanged."""
        flag, equals, value = argument.partition("=")
        known = flag.replace("_", "-")
        is_flag = argument.startswith("--") and known in self._option_string_actions
        return known + equals + value if is_flag else argument

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: error: {message}; {self.prog} --help lists the flags\n")


def is_termination(error: BaseException) -> bool:
    """Return whether a KeyboardInterrupt comes from SIGTERM, for callers that continue after Ctrl-C."""
    return error.args == (signal.SIGTERM,)


def command_line(name: str, argv: list[str] | None) -> str:
    """Return the command as a user would type it again; None stands for the arguments of this process."""
    return shlex.join(["python", "-m", name, *(sys.argv[1:] if argv is None else argv)])


def positive_int(text: str) -> int:
    """Read a flag's value that is a whole number of at least 1, also written as 1e6 or 1_000."""
    value = _number(text)
    if value < 1 or not value.is_integer():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, found '{text}'")
    return int(value)


def non_negative_int(text: str) -> int:
    """Read a flag's value that is a whole number of at least 0, also written as 1e6 or 1_000."""
    value = _number(text)
    if value < 0 or not value.is_integer():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, found '{text}'")
    return int(value)


def seed(text: str) -> int:
    """Read a flag's value that is a random seed: any whole number of 64 bits."""
    try:
        value = int(text)
    except ValueError:
        value = 1 << 63
    if not -(1 << 63) <= value < 1 << 63:
        raise argparse.ArgumentTypeError(f"must be a whole number of at most 64 bits, found '{text}'")
    return value


def positive_float(text: str) -> float:
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, found '{text}'")
    return value


def non_negative_float(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, found '{text}'")
    return value


def fraction(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, found '{text}'")
    return value


def is_plain_name(text: str) -> bool:
    """Return whether a folder may have this name: letters, digits, `.`, `_` and `-`, not starting with a dot."""
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", text) is not None


def plain_name(text: str) -> str:
    """Read a flag's value that names a folder."""
    if not is_plain_name(text):
        raise argparse.ArgumentTypeError(f"must be a name of letters, digits, '.', '_' and '-', found '{text}'")
    return text


def printable(text: str) -> str:
    """Return text that is safe to print: control characters, which could move the cursor, become escapes."""
    return "".join(
        character if character in "\n\t" or character.isprintable() else repr(character)[1:-1] for character in text
    )


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, found '{text}'")
    return value


def _fail(name: str, message: str, code: int) -> int:
    print(f"{name}: error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _raise_interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.SIGTERM)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {message}", file=file or sys.stderr)
