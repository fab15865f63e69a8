"""Atomic writes: a reader finds the old content of a file or the new one, never a part of either.

By hand: no maintained package also replaces folders or keeps the temporary files of libraries apart.
"""

from __future__ import annotations

import errno
import hashlib
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
    """Let `write` fill a temporary file next to `path`, then move it into place; on an error nothing changes.

    The temporary file has a hidden folder of its own, because libraries leave temporary files there when they are
    killed. `durable` waits until the disk has the content, so that even a loss of power leaves the old or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    folder.mkdir(exist_ok=True)
    try:
        temporary = folder / path.name
        write(temporary)
        with suppress(OSError):  # some file systems have no modes
            temporary.chmod(_default_mode())
        if durable:
            _wait_for_disk(temporary)
        temporary.replace(path)
        if durable:
            _wait_for_disk(path.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _default_mode() -> int:
    """Return the mode that a new file gets by default; some libraries let only the owner read theirs."""
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
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, which then replaces `path`; on an error nothing changes.

    A kill between the two moves at the end leaves the old folder next to it, under a hidden name.
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
    """Delete the unfinished files of killed writers below `folder`; only the holder of its lock may call this."""
    for leftover in list(folder.rglob(".*.tmp")):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_hashed(path: Path, content: bytes) -> dict[str, Any]:
    """Write a file atomically and return its entry for a manifest: its size in bytes and its SHA-256."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return a value in the layout of all our JSON files: indented, not escaped, one newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
