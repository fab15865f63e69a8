"""Sources of a corpus: wheels, folders, git checkouts, glob patterns, text files, the standard library.

Each kind is a table of a recipe and yields raw files. Nothing in them is ever imported or run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas.corpus.raw_files import (
    MAX_CODE_BYTES,
    RawFile,
    by_name,
    code_below,
    match_pattern,
    package_of,
    raw_file,
    read_blocks,
    read_file,
)
from nas.corpus.wheels import Wheel, fetch_wheel, read_members
from nas.errors import CorpusError

STDLIB = "stdlib"

# Folders of the standard library without typical code: tests, installed packages, and generated tables.
STDLIB_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "pydoc_data"}
)
# The second prefix is that of a build's configuration, which is full of local paths.
STDLIB_SKIPPED_FILES = ("test_", "_sysconfigdata_")

SplitName = Literal["train", "validation", "holdout"]


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    split: SplitName | None = None
    """The split of all its documents; by default the recipe decides."""


class WheelSource(_Source, Wheel):
    """The .py files of a wheel from the package index, pinned by hash."""

    @property
    def label(self) -> str:
        return f"{self.package} {self.version}"

    def read(self, progress: Callable[[str], None]) -> Iterator[RawFile]:
        path = fetch_wheel(self, progress)
        for name, content in read_members(path, lambda name: name.endswith(".py"), MAX_CODE_BYTES):
            yield raw_file(f"{self.package}/{name}", self.package, content)

    def digest(self) -> str:
        return self.sha256


class _LocalSource(_Source):
    """Files on this machine."""

    def find_files(self) -> tuple[Path, list[Path]]:
        """Return the folder that names are relative to, and the files, each once."""
        raise NotImplementedError

    def read(self, progress: Callable[[str], None]) -> Iterator[RawFile]:
        root, paths = self._readable_files()
        for name, path in by_name(root, paths):
            yield from read_file(path, name, package_of(name))

    def digest(self) -> str:
        """Return the SHA-256 of names and contents, which does not depend on the folder's place."""
        digest = hashlib.sha256()
        root, paths = self._readable_files()
        for name, path in by_name(root, paths):
            try:
                with path.open("rb") if path.is_file() else open(os.devnull, "rb") as file:  # noqa: PTH123
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                content = "unreadable"
            digest.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _readable_files(self) -> tuple[Path, list[Path]]:
        try:
            return self.find_files()
        except (OSError, RuntimeError, ValueError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CorpusError(
                f"cannot read corpus {self.label}: {reason}; check the path and its permissions"
            ) from None

    @property
    def label(self) -> str:
        raise NotImplementedError


class FolderSource(_LocalSource):
    """The .py files below a folder, except hidden folders and links to folders."""

    folder: str

    @property
    def label(self) -> str:
        return f"'{self.folder}'"

    def find_files(self) -> tuple[Path, list[Path]]:
        root = Path(self.folder).expanduser()
        if not root.is_dir():
            raise CorpusError(f"corpus folder '{self.folder}' does not exist; check the path")
        return root, list(code_below(root))


class GitSource(_LocalSource):
    """The .py files that a git checkout tracks, with the content of its work tree."""

    git: str

    @property
    def label(self) -> str:
        return f"'{self.git}'"

    def find_files(self) -> tuple[Path, list[Path]]:
        root = Path(self.git).expanduser()
        names = _git(root, "ls-files", "-z", "--", "*.py")
        return root, [root / name for name in names.split("\0") if name and not (root / name).is_symlink()]

    def revision(self) -> str:
        """Return the checked-out commit, with `+` after it if tracked files were changed."""
        root = Path(self.git).expanduser()
        changed = _git(root, "status", "--porcelain", "--untracked-files=no").strip()
        return _git(root, "rev-parse", "HEAD").strip() + ("+" if changed else "")


class GlobSource(_LocalSource):
    """The matching files, and the .py files below matching folders."""

    glob: str

    @property
    def label(self) -> str:
        return f"'{self.glob}'"

    def find_files(self) -> tuple[Path, list[Path]]:
        root, paths = match_pattern(Path(self.glob).expanduser())
        if not paths:
            raise CorpusError(
                f"no file matches the corpus pattern '{self.glob}'; check it, and quote it "
                "so that the shell does not expand it"
            )
        return root, paths


class TextSource(_LocalSource):
    """A text file of any length, cut at line ends into blocks of about 16 KB, each of which is a document."""

    text: str

    @property
    def label(self) -> str:
        return f"'{self.text}'"

    def find_files(self) -> tuple[Path, list[Path]]:
        path = Path(self.text).expanduser()
        if not path.exists():
            raise CorpusError(f"corpus file '{self.text}' does not exist; check the path")
        return path.parent, [path]

    def read(self, progress: Callable[[str], None]) -> Iterator[RawFile]:
        root, paths = self._readable_files()
        for name, path in by_name(root, paths):
            yield from read_blocks(path, name, path.stem)


class StdlibSource(_LocalSource):
    """The standard library of the running interpreter, without its tests."""

    stdlib: Literal[True]

    @property
    def label(self) -> str:
        return STDLIB

    def find_files(self) -> tuple[Path, list[Path]]:
        root = Path(sysconfig.get_path("stdlib"))
        paths = [
            path
            for path in code_below(root)
            if not STDLIB_SKIPPED_FOLDERS.intersection(path.relative_to(root).parts)
            and not path.name.startswith(STDLIB_SKIPPED_FILES)
        ]
        if not paths:
            raise CorpusError(
                f"the standard library at {root} has no .py files (as in Python's embeddable zip for Windows); "
                "give a folder of Python code as the corpus"
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
"""The kinds of sources by the key that marks them in a recipe."""


def _git(root: Path, *arguments: str) -> str:
    try:
        process = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=False, text=True, errors="surrogateescape"
        )
    except FileNotFoundError:
        raise CorpusError(
            "git is not installed; install it, or give the checkout as `folder` instead of `git`"
        ) from None
    if process.returncode:
        raise CorpusError(f"cannot read the git checkout '{root}': {process.stderr.strip()}")
    return process.stdout
