from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine


def _switch_off_fsync(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="package", autouse=True)
def unsynced_databases() -> Iterator[None]:
    """Switch off fsync in SQLite, which takes most of the time of these tests; a killed process still loses no data."""
    event.listen(Engine, "connect", _switch_off_fsync)
    yield
    event.remove(Engine, "connect", _switch_off_fsync)
