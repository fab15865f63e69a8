"""The errors a user can meet, each one line: what was found, what is allowed, what to do.

CodenasError            exit code 1
├── UsageError          exit code 2: a flag, a key or a value that cannot be used
│   ├── SpaceError      a search space that cannot be read
│   ├── ArchitectureError
│   │                   an architecture that cannot be built
│   └── CorpusError     a corpus that is missing, empty or too small
├── CacheError          the data cache cannot be read or written
├── FolderBusy          another process is running this study or training
├── StudyError          a study folder or database that cannot be used
│   └── StudyMismatch   the stored study is not the one that was asked for
├── CheckpointError     a checkpoint that is missing, damaged or of another run
├── ReleaseError        an export that cannot be written, or is not the model it was made from
└── TrialFailure        a trial that ended without a result, for a reason of its own
    ├── Diverged        the training loss is not finite any more
    ├── OutOfMemory     the device has too little memory for the architecture
    ├── Leak            the model can read what it is asked to predict
    └── Collapsed       nearly all that the model writes has collapsed, even sampled
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError


class CodenasError(Exception):
    """Base of all errors that are shown to a user as one line."""

    exit_code = 1


class UsageError(CodenasError):
    exit_code = 2


class SpaceError(UsageError):
    pass


class ArchitectureError(UsageError):
    pass


class CorpusError(UsageError):
    pass


class CacheError(CodenasError):
    pass


class FolderBusy(CodenasError):
    pass


class StudyError(CodenasError):
    pass


class StudyMismatch(StudyError):
    pass


class CheckpointError(CodenasError):
    pass


class ReleaseError(CodenasError):
    pass


class TrialFailure(CodenasError):
    """Ends one trial, never the search."""


class Diverged(TrialFailure):
    pass


class OutOfMemory(TrialFailure):
    pass


class Leak(TrialFailure):
    pass


class Collapsed(TrialFailure):
    pass


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> str:
    """The line for a name that is not one of `allowed`, with the nearest one suggested."""
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{given}'{hint} (allowed: {', '.join(names)})"


def validation_line(error: ValidationError, subject: str) -> str:
    """The first complaint of a pydantic error as one line: key, message, value found."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    # Our own messages (value_error) say what was found; their input is the whole section.
    found = "" if not key or first["type"] in ("missing", "value_error") else f", found {first['input']!r}"
    return f"{subject} {key}: {message}{found}" if key else f"{subject}: {message}"
