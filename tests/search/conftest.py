from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine


def _leave_writes_to_the_system(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="package", autouse=True)
def unsynced_databases() -> Iterator[None]:
    """SQLite without fsync, most of the time of a trial that trains nothing: a killed process loses nothing by it."""
    event.listen(Engine, "connect", _leave_writes_to_the_system)
    yield
    event.remove(Engine, "connect", _leave_writes_to_the_system)
