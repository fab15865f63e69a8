"""One process a folder: whoever writes a study or a training run holds its lock."""

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
def locked(folder: Path, what: str, otherwise: str) -> Iterator[None]:
    """Hold `folder` for this process; FolderBusy with the holder's process id when another one has it.

    `what` names it in the message, `otherwise` says what to do beside waiting. The operating system frees
    the lock when its process ends, however it ends; what a killed writer left unfinished is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / _HOLDER
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        pid = holder.read_text().strip() if holder.exists() else "unknown"
        raise FolderBusy(f"{what} is being run by process {pid}; wait for it, stop it, or {otherwise}") from None
    try:
        remove_leftovers(folder)
        write_text(holder, f"{os.getpid()}\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
