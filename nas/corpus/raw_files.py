"""Raw files of a corpus: whole .py files, and text files in blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MAX_CODE_BYTES = 1 << 20
"""Maximum size of a .py file: a larger one is data, or a program wrote it."""
BLOCK_BYTES = 1 << 14


@dataclass(frozen=True)
class RawFile:
    """The bytes of a file, or of a block of a text file."""

    name: str
    """Path relative to the source, with forward slashes; a block also has its number."""
    package: str
    content: bytes | None
    """None if it could not be read or is longer than MAX_CODE_BYTES."""
    problem: Literal["unreadable", "too_large"] | None = None
    is_block: bool = False


def raw_file(name: str, package: str, content: bytes) -> RawFile:
    if len(content) > MAX_CODE_BYTES:
        return RawFile(name, package, None, "too_large")
    return RawFile(name, package, content)


def by_name(root: Path, paths: list[Path]) -> list[tuple[str, Path]]:
    return sorted({path.relative_to(root).as_posix(): path for path in paths}.items())


def package_of(name: str) -> str:
    """Return the first folder of a name, or the module's name if it has no folder."""
    return name.partition("/")[0].removesuffix(".py")


def read_file(path: Path, name: str, package: str) -> Iterator[RawFile]:
    if path.suffix != ".py":
        yield from read_blocks(path, name, package)
        return
    try:
        if not path.is_file():  # a dangling link, or a pipe, which could block for ever
            yield RawFile(name, package, None, "unreadable")
        elif path.stat().st_size > MAX_CODE_BYTES:
            yield RawFile(name, package, None, "too_large")
        else:
            yield RawFile(name, package, path.read_bytes())
    except OSError:
        yield RawFile(name, package, None, "unreadable")


def read_blocks(path: Path, name: str, package: str) -> Iterator[RawFile]:
    """Yield blocks of at most BLOCK_BYTES, cut after a newline, or inside a line that is longer than a block.

    Only one block is in memory at a time.
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
    """Return the length of `data` without a UTF-8 character that is incomplete at its end."""
    # By hand: an incremental decoder raises for bytes that are not UTF-8, which cleaning must see.
    for back in range(1, 4):
        if data[-back] >= 0xC0:  # the first byte of a character of several
            length = 2 + (data[-back] >= 0xE0) + (data[-back] >= 0xF0)
            return len(data) - back if length > back else len(data)
        if data[-back] < 0x80:
            break
    return len(data)


def code_below(root: Path) -> Iterator[Path]:
    """Yield all .py files below a folder; links to folders are not followed, as they could form a loop."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if _is_visible(name)]
        yield from (Path(folder, name) for name in files if name.endswith(".py") and _is_visible(name))


def match_pattern(pattern: Path) -> tuple[Path, list[Path]]:
    """Return the folder above the first wildcard, and the matching files below it."""
    parts = pattern.parts
    first = next(
        (index for index, part in enumerate(parts) if any(wildcard in part for wildcard in "*?[")), len(parts) - 1
    )
    root = Path(*parts[:first])
    matches: set[Path] = set()
    for path in root.glob(str(Path(*parts[first:]))):
        if not all(_is_visible(part) for part in path.relative_to(root).parts):
            continue
        matches.update(code_below(path) if path.is_dir() else [path])
    return root, sorted(matches)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"
