"""Pins of packages: the table of a recipe that names one wheel by its hash."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from nas.corpus.wheels import download
from nas.errors import CorpusError


def pin_package(requirement: str) -> str:
    """Return the [[sources]] table for `PACKAGE==VERSION`, with the wheel that pip chooses on this machine.

    Raises CorpusError if the requirement has another form or there is no such wheel.
    """
    match = re.fullmatch(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([A-Za-z0-9][A-Za-z0-9.+!_-]*)\s*", requirement)
    if not match:
        raise CorpusError(f"cannot pin '{requirement}'; give a package and its version as PACKAGE==VERSION")
    with tempfile.TemporaryDirectory() as folder:
        error = download(folder, f"{match[1]}=={match[2]}")
        wheels = list(Path(folder).glob("*.whl"))
        if error or not wheels:
            raise CorpusError(
                f"cannot pin {requirement}: {error or 'pip fetched no wheel'}; check its name and version"
            )
        return _table(match[1].lower(), match[2], wheels[0])


def _table(package: str, version: str, wheel: Path) -> str:
    values = {
        "package": package,
        "version": version,
        "file": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "num_bytes": wheel.stat().st_size,
        "license": _license(wheel),
    }
    # Strings and integers of JSON are also TOML, which the standard library cannot write.
    return "\n".join(["[[sources]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())])


def _license(wheel: Path) -> str:
    """Return the licence by the wheel's metadata if it is short, else by its classifiers."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
    stated = metadata.get("License-Expression") or metadata.get("License") or ""
    if stated and len(stated) < 40 and "\n" not in stated:
        return str(stated)
    classifiers = [str(value) for value in metadata.get_all("Classifier", [])]
    return next((value.rpartition(" :: ")[2] for value in classifiers if value.startswith("License")), "")
