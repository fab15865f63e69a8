"""The lock of a folder: only one process at a time writes a study or a training run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nas.errors import FolderBusy
from nas.system.files import remove_leftovers, write_text

_HOLDER = "running.pid"


@contextmanager
def locked(folder: Path, name: str, alternative: str) -> Iterator[None]:
    """Lock `folder` for this process; raise FolderBusy with the holder's process id if another one has it.

    The message calls the folder by `name` and offers `alternative` besides waiting. The operating system frees
    the lock when its process ends, however it ends. Unfinished files of a killed writer are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / _HOLDER
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        pid = holder.read_text().strip() if holder.exists() else "unknown"
        raise FolderBusy(f"{name} is being run by process {pid}; wait for it, stop it, or {alternative}") from None
    try:
        remove_leftovers(folder)
        write_text(holder, f"{os.getpid()}\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
