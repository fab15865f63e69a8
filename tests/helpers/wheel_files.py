"""Tiny wheels for tests of corpora."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from nas.corpus.wheels import Wheel


def make_wheel(folder: Path, package: str, files: dict[str, bytes], version: str = "1.0") -> Wheel:
    """Write a wheel of `files` into `folder` and return its pin."""
    file = f"{package}-{version}-py3-none-any.whl"
    info = f"{package}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\nLicense: MIT\n"
    with zipfile.ZipFile(folder / file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    content = (folder / file).read_bytes()
    return Wheel(
        package=package, version=version, file=file, sha256=hashlib.sha256(content).hexdigest(), num_bytes=len(content)
    )
