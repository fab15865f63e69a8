"""This process connected to a Ray cluster: joined, or started for as long as it is needed."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray

from nas.errors import StudyError

_PATIENCE_SECONDS = 20
_NAMESPACE = "codenas"
_OBJECT_STORE_BYTES = 100 << 20
"""What passes through it are records; Ray wants 75 MiB at least."""


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """To the cluster at HOST:PORT, to that of this machine (`auto`), or to one started here (None), which then ends.

    A process that is connected already stays so. Raises StudyError where it cannot be.
    """
    if ray.is_initialized():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    session = _connect(address)
    try:
        with _sigterm_as(before):
            yield
    finally:
        ray.shutdown()
        if session is not None:
            shutil.rmtree(session, ignore_errors=True)


def _connect(address: str | None) -> str | None:
    """Where the cluster that was started here keeps its files."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL", "namespace": _NAMESPACE}
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        if address is None:  # "local": without an address Ray would join whatever cluster it finds
            started: Any = ray.init(address="local", **own, **quiet)
            return str(started.address_info["session_dir"])
        _reach(address)
        ray.init(address=address, **quiet)
        return None
    except (OSError, RuntimeError, ValueError) as error:
        where = "start a Ray cluster" if address is None else f"join the Ray cluster at {address}"
        hint = "" if address is None else "; it must run, with this Python, this Ray, and RAY_AUTH_MODE as here"
        raise StudyError(f"cannot {where}: {' '.join(str(error).split())}{hint}") from None


def _reach(address: str) -> None:
    """OSError where nobody answers: Ray would try for ever."""
    host, _, port = address.rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_SECONDS).close()


@contextmanager
def _sigterm_as(before: Callable[..., Any] | int | None) -> Iterator[None]:
    """Within it SIGTERM does what it did before Ray put a handler of its own in place.

    Ray raises Ctrl-C's KeyboardInterrupt in the place of one that says that it was SIGTERM; that is put right.
    """
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        came.append(number)
        if callable(before):
            before(number, frame)

    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, note if callable(before) else before)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise (KeyboardInterrupt(*came) if came else interrupt) from None
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, before)
