"""The wheel, tested from an empty folder: its files, and a search without the checkout."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nas.report.assets import SCRIPTS, STYLE

ROOT = Path(__file__).parent.parent
DATA = {
    *(f"nas/architecture/shipped/{name}.json" for name in ("origin-a", "origin-b", "origin-c", "origin-e", "small-1m")),
    "nas/corpus/recipes/python-100mb.toml",
    *(f"nas/report/assets/{name}" for name in (STYLE, *SCRIPTS)),
    *(f"nas/report/templates/{path.name}" for path in (ROOT / "nas/report/templates").iterdir()),
    "nas/corpus/recipes/stdlib.toml",
    "nas/evaluate/collapse/thresholds.json",
    "nas/evaluate/quality/human_code.npz",
    "nas/evaluate/quality/junk.json",
    "nas/evaluate/quality/one_line_prompts.txt",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by pip in an isolated environment; without one where the build backend is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *here, "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("target")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


@pytest.mark.slow  # the build backend comes from the package index
def test_the_wheel_holds_the_package_the_spaces_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"nas", next(top for top in tops if top.startswith("codenas-") and top.endswith(".dist-info"))}
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "nas").rglob("*.py")}
    spaces = {f"nas/search_spaces/{path.name}" for path in (ROOT / "search_spaces").glob("*.toml")}
    assert len(spaces) == 5
    assert {name for name in names if name.startswith("nas/")} == code | spaces | DATA


@pytest.mark.slow
def test_an_installed_wheel_searches_from_an_empty_folder(installed: Path, tmp_path: Path, corpus_folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = os.environ | {"PYTHONPATH": str(installed)}

    def python(*argv: str) -> str:
        ran = subprocess.run(
            [sys.executable, *argv], cwd=empty, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert python("-c", "import nas; print(nas.__file__)").startswith(str(installed))
    assert python("-c", "from nas.space.search_space import shipped_spaces; print(*shipped_spaces())").split() == [
        *("base", "char", "gpu", "origin", "tiny")
    ]
    plan = python("-m", "nas.search", "--space", "tiny", "--corpus", str(corpus_folder), "--dry-run")
    assert "dry run: nothing was trained or written" in plan
    assert list(empty.iterdir()) == []
    python("-m", "nas.search", "--space", "tiny", "--corpus", str(corpus_folder), "--budget", "2", "--out", "here")
    assert (empty / "here" / "tiny" / "arch.json").is_file()
