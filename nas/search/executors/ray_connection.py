"""The connection of this process to a Ray cluster that it joins, or starts for as long as it is needed."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray

from nas.errors import StudyError

_CONNECT_TIMEOUT = 20
"""Seconds."""
_NAMESPACE = "codenas"
_OBJECT_STORE_BYTES = 100 << 20
"""Only records pass through it; Ray requires at least 75 MiB."""


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to the cluster at HOST:PORT, to that of this machine (`auto`), or to one started here (None).

    Leaving it disconnects, and ends a cluster that was started here. A process that was connected before stays
    connected. Raises StudyError if the connection fails.
    """
    if ray.is_initialized():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    session = _connect(address)
    try:
        with _sigterm_handled_by(handler):
            yield
    finally:
        ray.shutdown()
        if session is not None:
            shutil.rmtree(session, ignore_errors=True)


def _connect(address: str | None) -> str | None:
    """Connect, and return the folder of a cluster that was started here."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL", "namespace": _NAMESPACE}
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        if address is None:  # "local": without an address Ray would join any running cluster
            started: Any = ray.init(address="local", **own, **quiet)
            return str(started.address_info["session_dir"])
        _check_reachable(address)
        ray.init(address=address, **quiet)
        return None
    except (OSError, RuntimeError, ValueError) as error:
        where, hint = "start a Ray cluster", ""
        if address is not None:
            where = f"join the Ray cluster at {address}"
            hint = "; it must be running, with the same versions of Python and Ray and the same RAY_AUTH_MODE"
        raise StudyError(f"cannot {where}: {' '.join(str(error).split())}{hint}") from None


def _check_reachable(address: str) -> None:
    """Raise OSError if nothing answers at the address: Ray would retry forever."""
    host, _, port = address.rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT).close()


@contextmanager
def _sigterm_handled_by(handler: Callable[..., Any] | int | None) -> Iterator[None]:
    """Use `handler` for SIGTERM instead of the one that Ray installs, until the block ends.

    Ray replaces the KeyboardInterrupt of our handler, which says that it was SIGTERM, by one of Ctrl-C; ours is
    raised again.
    """
    received: list[int] = []

    def record_and_handle(number: int, frame: object) -> None:
        received.append(number)
        if callable(handler):
            handler(number, frame)

    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, record_and_handle if callable(handler) else handler)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise (KeyboardInterrupt(*received) if received else interrupt) from None
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, handler)
