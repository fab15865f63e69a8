"""Wheels from the package index: fetched by pinned hash, read in memory, never installed, extracted or run.

pip fetches them, so that the user's index, proxy and credentials apply. It may only fetch wheels, because building a
source distribution would run its code.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from nas.errors import CorpusError
from nas.system.cache_folder import cache_root

MAX_MEMBERS = 100_000
MAX_MEMBER_BYTES = 1 << 24
MAX_TOTAL_BYTES = 1 << 31
"""Limits on what is read of one wheel, because a small archive can unpack to any size."""

_PACKAGE = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
_VERSION = r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$"
_FILE = r"^[A-Za-z0-9_.+!]+(-[A-Za-z0-9_.+!]+){4,5}\.whl$"


class Wheel(BaseModel):
    """A wheel of the package index, pinned by its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str = Field(pattern=_PACKAGE)
    version: str = Field(pattern=_VERSION)
    file: str = Field(pattern=_FILE)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    num_bytes: int = Field(default=0, ge=0)
    """Size of the file, for progress lines; 0 if unknown."""
    license: str = ""


def fetch_wheel(wheel: Wheel, progress: Callable[[str], None]) -> Path:
    """Return the path of a wheel in the cache, and fetch it if it is missing; raise CorpusError if that fails."""
    return fetch_wheels([wheel], progress)[0]


def fetch_wheels(wheels: Sequence[Wheel], progress: Callable[[str], None]) -> list[Path]:
    """Return the paths of the wheels in the cache, in order, and fetch the missing ones.

    Raises CorpusError with the names of all missing files if one cannot be fetched or has another hash; those that
    were fetched stay in the cache.
    """
    folder = cache_root() / "wheels"
    paths = [folder / wheel.file for wheel in wheels]
    missing = [wheel for wheel, path in zip(wheels, paths, strict=True) if not _is_whole(path, wheel)]
    if not missing:
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # another process may be fetching the same files
        for leftover in folder.glob(".fetch-*"):  # left by a killed process
            shutil.rmtree(leftover, ignore_errors=True)
        _fetch_all([wheel for wheel in missing if not _is_whole(folder / wheel.file, wheel)], folder, progress)
    return paths


def _fetch_all(missing: Sequence[Wheel], folder: Path, progress: Callable[[str], None]) -> None:
    started, done, total = time.monotonic(), 0, sum(wheel.num_bytes for wheel in missing)
    for number, wheel in enumerate(missing):
        left = f", {_remaining(started, done, total)} left" if done else ""
        size = f" ({wheel.num_bytes / 1e6:.1f} MB)" if wheel.num_bytes else ""
        progress(f"fetching {number + 1} of {len(missing)}: {wheel.file}{size}{left}")
        _fetch(wheel, folder, missing[number:])
        done += wheel.num_bytes


def download(folder: str, *arguments: str) -> str | None:
    """Let pip fetch wheels into `folder`; return its error message, or None if it succeeded."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
        "--only-binary=:all:", "--dest", folder, *arguments,
    ]  # fmt: skip
    process = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if not process.returncode:
        return None
    lines = [line.strip() for line in process.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip gave no reason"])[-1]


def read_members(
    path: Path, wanted: Callable[[str], bool], max_member_bytes: int = MAX_MEMBER_BYTES
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each wanted member, sorted by name, and write nothing.

    Reads at most `max_member_bytes` + 1 bytes of a member. Raises CorpusError for a damaged archive, for names that
    lead out of it, and for more members or bytes than the limits allow.
    """
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise CorpusError(f"{path.name} has {len(members):,} members; at most {MAX_MEMBERS:,} are read")
            for member in sorted(members, key=lambda member: member.filename):
                if _leads_out(member.filename):
                    raise CorpusError(
                        f"{path.name} has a member named {member.filename!r}, which leads out of the archive"
                    )
                if member.is_dir() or not wanted(member.filename):
                    continue
                with archive.open(member) as file:
                    content = file.read(max_member_bytes + 1)
                total += len(content)
                if total > MAX_TOTAL_BYTES:
                    raise CorpusError(f"{path.name} unpacks to more than {MAX_TOTAL_BYTES:,} bytes")
                yield member.filename, content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise CorpusError(f"{path.name} is damaged or not a wheel: {error}") from None
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from None


def _fetch(wheel: Wheel, folder: Path, missing: Sequence[Wheel]) -> None:
    """Fetch a wheel into a temporary folder, check its hash and move it into place."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
        requirements = Path(temporary, "requirements.txt")
        requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        error = download(
            temporary, "--ignore-requires-python", "--require-hashes", "--requirement", str(requirements),
            *_tags(wheel.file),
        )  # fmt: skip
        fetched = Path(temporary, wheel.file)
        if error or not _is_whole(fetched, wheel):
            reason = error or "the fetched file has another hash than the pinned one"
            names = ", ".join(missing_wheel.file for missing_wheel in missing)
            raise CorpusError(
                f"cannot fetch {wheel.file}: {reason}; still missing: {names}; "
                f"make the package index reachable and run the same command again, or put the files into {folder}"
            )
        fetched.replace(folder / wheel.file)


def _tags(file: str) -> list[str]:
    """Return the flags for the tags at the end of a wheel's name, so that pip fetches it on any machine."""
    python, abi, platform = file.removesuffix(".whl").split("-")[-3:]
    if platform == "any":
        return []
    version = python.split(".")[0].removeprefix("cp")
    platforms = [flag for tag in platform.split(".") for flag in ("--platform", tag)]
    return ["--implementation", "cp", "--python-version", version, "--abi", abi, *platforms]


def _is_whole(path: Path, wheel: Wheel) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == wheel.sha256


def _leads_out(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return name.startswith("/") or ".." in parts or "\\" in name or ":" in name.split("/")[0] or "\0" in name


def _remaining(started: float, done: int, total: int) -> str:
    seconds = (time.monotonic() - started) * (total - done) / max(done, 1)
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
