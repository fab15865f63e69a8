"""The errors that a user can meet. Each message is one line: what was given, what is allowed, what to do.

CodenasError            exit code 1
├── UsageError          exit code 2: a flag, key or value that cannot be used
│   ├── SpaceError      a search space that cannot be read
│   ├── ArchitectureError
│   │                   an architecture that cannot be built
│   └── CorpusError     a corpus that is missing, empty or too small
├── CacheError          the data cache cannot be read or written
├── FolderBusy          another process is running this study or training
├── StudyError          a study folder or database that cannot be used
│   └── StudyMismatch   the stored study has other settings than the requested one
├── CheckpointError     a checkpoint that is missing, damaged or of another run
├── ExportError         an export that cannot be written, or that disagrees with its model
└── TrialFailure        a trial that ended without a result, for a reason of its own
    ├── Diverged        the training loss is not finite
    ├── OutOfMemory     the device has too little memory for the architecture
    ├── Leak            the model can read the tokens that it must predict
    └── Collapsed       nearly all completions are degenerate, even sampled ones
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


class ExportError(CodenasError):
    pass


class TrialFailure(CodenasError):
    """Base of the errors that end one trial, never the search."""


class Diverged(TrialFailure):
    pass


class OutOfMemory(TrialFailure):
    pass


class Leak(TrialFailure):
    pass


class Collapsed(TrialFailure):
    pass


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> str:
    """Return the message for a name that is not `allowed`, with the nearest allowed name as a suggestion."""
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{given}'{hint} (allowed: {', '.join(names)})"


def validation_message(error: ValidationError, subject: str) -> str:
    """Return the first complaint of a pydantic error as one line: key, message, given value."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    # Our own messages (value_error) name the given value; their `input` would be the whole section.
    given = "" if not key or first["type"] in ("missing", "value_error") else f", found {first['input']!r}"
    return f"{subject} {key}: {message}{given}" if key else f"{subject}: {message}"
