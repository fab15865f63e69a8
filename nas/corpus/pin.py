"""Pinning a package: the table of a recipe that names one wheel by its hash."""

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


def pinned(requirement: str) -> str:
    """The [[sources]] table for `PACKAGE==VERSION`, by the wheel that pip would take here; CorpusError without one."""
    match = re.fullmatch(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([A-Za-z0-9][A-Za-z0-9.+!_-]*)\s*", requirement)
    if not match:
        raise CorpusError(f"a package is pinned as PACKAGE==VERSION, found '{requirement}'")
    with tempfile.TemporaryDirectory() as folder:
        error = download(folder, f"{match[1]}=={match[2]}")
        wheels = list(Path(folder).glob("*.whl"))
        if error or not wheels:
            raise CorpusError(f"cannot pin {requirement}: {error or 'pip fetched no wheel'}")
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
    return "\n".join(["[[sources]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())])


def _license(wheel: Path) -> str:
    """What the wheel's metadata says in a few words, else what its classifiers say."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one))
        metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
    stated = metadata.get("License-Expression") or metadata.get("License") or ""
    if stated and len(stated) < 40 and "\n" not in stated:
        return str(stated)
    classifiers = [str(one) for one in metadata.get_all("Classifier", [])]
    return next((one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License")), "")
