"""What a corpus is read from: wheels, folders, git checkouts, patterns, text files, the standard library.

Each kind is one table of a recipe. All give raw files; nothing in them is ever imported or run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas.data.wheels import Wheel, fetch_wheel, read_members
from nas.errors import CorpusError

STDLIB = "stdlib"
MAX_CODE_BYTES = 1 << 20
"""A larger .py file is data or generated."""
BLOCK_BYTES = 1 << 14

# Whole folders of the standard library that are not code as people write it: its tests, copies of
# installed packages, and tables written by programs.
STDLIB_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "pydoc_data"}
)
# The second one is the configuration of one build, full of its paths.
STDLIB_SKIPPED_FILES = ("test_", "_sysconfigdata_")

SplitName = Literal["train", "validation", "holdout"]


@dataclass(frozen=True)
class RawFile:
    """A file, or a block of a text file, as it lies there."""

    name: str
    """Path below its source, with forward slashes; a block carries its number as well."""
    package: str
    content: bytes | None
    """None when it could not be read, or is longer than MAX_CODE_BYTES."""
    problem: Literal["unreadable", "too_large"] | None = None
    is_block: bool = False


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    split: SplitName | None = None
    """Put all of it there; by default the recipe decides."""


class WheelSource(_Source, Wheel):
    """A wheel of the package index, pinned by hash; its .py files."""

    @property
    def label(self) -> str:
        return f"{self.package} {self.version}"

    def read(self, progress: Callable[[str], None]) -> Iterator[RawFile]:
        path = fetch_wheel(self, progress)
        for name, content in read_members(path, lambda one: one.endswith(".py"), MAX_CODE_BYTES):
            yield _raw(f"{self.package}/{name}", self.package, content)

    def digest(self) -> str:
        return self.sha256


class _LocalSource(_Source):
    """Files of this machine."""

    def found(self) -> tuple[Path, list[Path]]:
        """The folder that names are relative to, and the files, each once."""
        raise NotImplementedError

    def read(self, progress: Callable[[str], None]) -> Iterator[RawFile]:
        root, paths = self._listed()
        for name, path in _named(root, paths):
            yield from _read_local(path, name, _package(name))

    def digest(self) -> str:
        """SHA-256 over names and contents: where the folder lies makes no difference."""
        digest = hashlib.sha256()
        root, paths = self._listed()
        for name, path in _named(root, paths):
            try:
                with path.open("rb") if path.is_file() else open(os.devnull, "rb") as file:  # noqa: PTH123
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                content = "unreadable"
            digest.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _listed(self) -> tuple[Path, list[Path]]:
        try:
            return self.found()
        except (OSError, RuntimeError, ValueError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CorpusError(f"cannot read corpus {self.label}: {reason}") from None

    @property
    def label(self) -> str:
        raise NotImplementedError


class FolderSource(_LocalSource):
    """Each .py file below a folder; hidden folders and links to folders are left out."""

    folder: str

    @property
    def label(self) -> str:
        return f"'{self.folder}'"

    def found(self) -> tuple[Path, list[Path]]:
        root = Path(self.folder).expanduser()
        if not root.is_dir():
            raise CorpusError(f"corpus folder '{self.folder}' does not exist")
        return root, list(_code_below(root))


class GitSource(_LocalSource):
    """The .py files that a git checkout tracks, as they lie in its work tree."""

    git: str

    @property
    def label(self) -> str:
        return f"'{self.git}'"

    def found(self) -> tuple[Path, list[Path]]:
        root = Path(self.git).expanduser()
        listed = _git(root, "ls-files", "-z", "--", "*.py")
        return root, [root / name for name in listed.split("\0") if name and not (root / name).is_symlink()]

    def revision(self) -> str:
        """The commit that is checked out, `+` after it where tracked files were changed since."""
        root = Path(self.git).expanduser()
        changed = _git(root, "status", "--porcelain", "--untracked-files=no").strip()
        return _git(root, "rev-parse", "HEAD").strip() + ("+" if changed else "")


class GlobSource(_LocalSource):
    """Matching folders as FolderSource reads them, matching files each for itself."""

    glob: str

    @property
    def label(self) -> str:
        return f"'{self.glob}'"

    def found(self) -> tuple[Path, list[Path]]:
        root, paths = _match(Path(self.glob).expanduser())
        if not paths:
            raise CorpusError(
                f"no file matches the corpus pattern '{self.glob}'; quote it so that the shell leaves it alone"
            )
        return root, paths


class TextSource(_LocalSource):
    """A file of any length, cut at line ends into blocks of about 16 KB, each a document."""

    text: str

    @property
    def label(self) -> str:
        return f"'{self.text}'"

    def found(self) -> tuple[Path, list[Path]]:
        path = Path(self.text).expanduser()
        if not path.exists():
            raise CorpusError(f"corpus file '{self.text}' does not exist")
        return path.parent, [path]

    def read(self, progress: Callable[[str], None]) -> Iterator[RawFile]:
        root, paths = self._listed()
        for name, path in _named(root, paths):
            yield from _read_blocks(path, name, path.stem)


class StdlibSource(_LocalSource):
    """The standard library of the running interpreter, without its tests."""

    stdlib: Literal[True]

    @property
    def label(self) -> str:
        return STDLIB

    def found(self) -> tuple[Path, list[Path]]:
        root = Path(sysconfig.get_path("stdlib"))
        paths = [
            path
            for path in _code_below(root)
            if not STDLIB_SKIPPED_FOLDERS.intersection(path.relative_to(root).parts)
            and not path.name.startswith(STDLIB_SKIPPED_FILES)
        ]
        if not paths:
            raise CorpusError(
                f"the standard library at {root} has no .py files (as in Python's embeddable zip for Windows); "
                "name a folder of Python code as the corpus"
            )
        return root, paths


Source = WheelSource | FolderSource | GitSource | GlobSource | TextSource | StdlibSource

SOURCE_KINDS: dict[str, type[Source]] = {
    "package": WheelSource,
    "folder": FolderSource,
    "git": GitSource,
    "glob": GlobSource,
    "text": TextSource,
    "stdlib": StdlibSource,
}
"""The key by which a recipe says what a source is."""


def _raw(name: str, package: str, content: bytes) -> RawFile:
    if len(content) > MAX_CODE_BYTES:
        return RawFile(name, package, None, "too_large")
    return RawFile(name, package, content)


def _named(root: Path, paths: list[Path]) -> list[tuple[str, Path]]:
    return sorted({path.relative_to(root).as_posix(): path for path in paths}.items())


def _package(name: str) -> str:
    """The first folder of a name, or its module's name where it lies at the top."""
    return name.partition("/")[0].removesuffix(".py")


def _read_local(path: Path, name: str, package: str) -> Iterator[RawFile]:
    if path.suffix != ".py":
        yield from _read_blocks(path, name, package)
        return
    try:
        if not path.is_file():  # a dangling link, or a pipe that would never end
            yield RawFile(name, package, None, "unreadable")
        elif path.stat().st_size > MAX_CODE_BYTES:
            yield RawFile(name, package, None, "too_large")
        else:
            yield RawFile(name, package, path.read_bytes())
    except OSError:
        yield RawFile(name, package, None, "unreadable")


def _read_blocks(path: Path, name: str, package: str) -> Iterator[RawFile]:
    """Cut after the last newline of every BLOCK_BYTES; a longer line is cut where the block is full.

    The file is read block by block, so its length is no matter.
    """
    try:
        if not path.is_file():
            yield RawFile(name, package, None, "unreadable")
            return
        with path.open("rb") as file:
            number, rest = 0, b""
            while data := rest + file.read(BLOCK_BYTES - len(rest)):
                end = len(data) if len(data) < BLOCK_BYTES else data.rfind(b"\n") + 1 or _whole_characters(data)
                yield RawFile(f"{name}:{number:06d}", package, data[:end], is_block=True)
                number, rest = number + 1, data[end:]
            if number == 0:
                yield RawFile(name, package, b"", is_block=True)
    except OSError:
        yield RawFile(name, package, None, "unreadable")


def _whole_characters(data: bytes) -> int:
    """The length of `data` without a UTF-8 character that its end cuts in two."""
    for back in range(1, 4):
        if data[-back] >= 0xC0:  # the first byte of a character of several
            length = 2 + (data[-back] >= 0xE0) + (data[-back] >= 0xF0)
            return len(data) - back if length > back else len(data)
        if data[-back] < 0x80:
            break
    return len(data)


def _code_below(root: Path) -> Iterator[Path]:
    """All .py files below a folder. Links to folders are not followed, so that a loop cannot hang it."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if _is_visible(name)]
        yield from (Path(folder, name) for name in files if name.endswith(".py") and _is_visible(name))


def _match(pattern: Path) -> tuple[Path, list[Path]]:
    """The folder above the first wildcard, and the files that match below it."""
    parts = pattern.parts
    first = next((index for index, part in enumerate(parts) if any(one in part for one in "*?[")), len(parts) - 1)
    root = Path(*parts[:first])
    found: set[Path] = set()
    for path in root.glob(str(Path(*parts[first:]))):
        if not all(_is_visible(part) for part in path.relative_to(root).parts):
            continue
        found.update(_code_below(path) if path.is_dir() else [path])
    return root, sorted(found)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=False, text=True, errors="surrogateescape"
        )
    except FileNotFoundError:
        raise CorpusError("git is not installed; name the checkout as a folder in place of `git`") from None
    if done.returncode:
        raise CorpusError(f"cannot read the git checkout '{root}': {done.stderr.strip()}")
    return done.stdout
