"""Opening the Optuna study: a new one, or a stored one whose identity is checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from nas.errors import StudyError
from nas.search.identity import check_identity
from nas.search.proposals.distinct_sampler import DistinctSampler
from nas.search.references import scaled_references
from nas.space.search_space import SearchSpace

IDENTITY_KEY = "identity"


def open_study(
    name: str,
    url: str | None,
    space: SearchSpace,
    sampler: DistinctSampler,
    identity: dict[str, Any],
    num_objectives: int = 1,
) -> optuna.Study:
    """Return the study `name` at `url`; a new study has the reference architectures waiting as its first trials.

    Without a URL the study is new and in memory. Raises StudyMismatch if it is stored with another identity, and
    StudyError if the database is damaged or cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with database_errors(url or "memory"):
        storage = _open_storage(url)
        directions = [StudyDirection.MINIMIZE] * num_objectives

        def opened() -> optuna.Study:
            return optuna.create_study(
                storage=storage, study_name=name, sampler=sampler, directions=directions, load_if_exists=True
            )

        study = opened()
        stored = study.user_attrs.get(IDENTITY_KEY)
        if (
            stored
            and stored != identity
            and all(trial.state is TrialState.WAITING for trial in study.get_trials(False))
        ):
            optuna.delete_study(study_name=name, storage=storage)  # no trial has begun with the stored settings
            study, stored = opened(), None
        if stored:
            check_identity(name, stored, identity)
            return study
        if any("reference" not in trial.user_attrs for trial in study.get_trials(deepcopy=False)):
            where = shown_url(url or "memory")
            raise StudyError(f"{where} holds a study '{name}' that nas.search did not make; start another with --name")
        references = scaled_references(space, sampler.vocabulary_sizes) if sampler.is_search else {}
        for reference, params in references.items():
            study.enqueue_trial(params, user_attrs={"reference": reference}, skip_if_exists=True)
        # Written last: a study with an identity has its references, and one without is created again.
        study.set_user_attr(IDENTITY_KEY, identity)
        return study


def _open_storage(url: str | None) -> BaseStorage:
    if url is None:
        return InMemoryStorage()
    try:
        storage = RDBStorage(url)
    except ImportError as error:
        raise StudyError(
            f"cannot use the study database {shown_url(url)}: {error}; install the package that it names"
        ) from None
    if storage.engine.dialect.name == "sqlite":
        event.listen(storage.engine, "connect", _write_ahead)
        storage.engine.dispose()  # so that all later connections use it
        storage.remove_session()
        # Optuna flushes where it must; with autoflush SQLAlchemy would write each parameter of a trial on its own.
        storage.scoped_session.configure(autoflush=False)
    return storage


def _write_ahead(connection: Any, record: object) -> None:
    """Set SQLite's write-ahead log: a killed process loses nothing, and a commit does not wait for the disk.

    After a loss of power the last commits can be missing, though never parts of one; `sync` waits for the disk.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def close(study: optuna.Study) -> None:
    """Close the database, so that SQLite moves its write-ahead log into it and one file is left.

    Optuna has no public way from a study to its storage, nor from its cache to the storage behind it.
    """
    storage = getattr(study._storage, "_backend", study._storage)
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


def sync(url: str) -> None:
    """Wait until everything committed to a SQLite database is on the disk; other databases do this themselves."""
    if make_url(url).get_backend_name() == "sqlite" and (path := make_url(url).database):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(FULL)")


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Turn errors of the database into StudyError, when it is opened and during a search."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        reason = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise StudyError(
            f"cannot use the study database {shown_url(url)} ({reason}); if the disk is full, free some space and "
            "run the same command again; if the database is damaged, restore it or start another study with --name "
            "(ended trials are also in trials.jsonl)"
        ) from None


def shown_url(url: str) -> str:
    """Return a database URL without its password, for messages and records."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
