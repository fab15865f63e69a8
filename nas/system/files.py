"""Writing files so that a reader finds the old content or the new, never half of one."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a spent quota, a limit on the size of a file."""


def write_atomically(path: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place; on an error nothing changes.

    In a hidden folder of its own, for libraries leave temporary files of their own when they are killed. `durable`
    waits until the disk has it: then a loss of power, too, leaves the old content or the new.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    folder.mkdir(exist_ok=True)
    try:
        temporary = folder / path.name
        write(temporary)
        with suppress(OSError):  # a file system without modes
            temporary.chmod(_plain_mode())
        if durable:
            _wait_for_disk(temporary)
        temporary.replace(path)
        if durable:
            _wait_for_disk(path.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _plain_mode() -> int:
    """Of a file that a program makes and says nothing about: some libraries let the owner alone read theirs."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _wait_for_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` to fill, which then takes its place; on an error nothing changes.

    A kill between the two moves at the end leaves the old folder beside it, under a hidden name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}.tmp") for kind in ("new", "old"))
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what killed writers left unfinished below `folder`; only for who holds its lock."""
    for leftover in list(folder.rglob(".*.tmp")):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """As it stands in every JSON file of ours."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
