"""Imports go down the floors only, at any depth of the code: what a function imports counts too."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nas

PACKAGE = Path(nas.__file__).parent
COMMANDS = ("corpus", "search", "train", "export", "play", "evaluate", "report", "audit", "tokenizer", "__main__")
FLOORS = (
    (
        *("architecture", "transformers_class", "dimension", "space_sections", "space", "fitness", "records"),
        *("training_records", "finals", "errors", "differences", "files", "json_lines", "lock", "cli", "stop"),
        *("rank_correlation", "scaling_law", "fitted_law"),
    ),
    ("data", "model"),
    ("trial",),
    ("study", "full_training", "reporting", "release", "playing"),
    (*COMMANDS, "experiments", "__init__"),
)
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
LIBRARIES_OF_FLOOR_0 = {*sys.stdlib_module_names, "filelock", "numpy", "pydantic", "scipy"}
NEVER = {
    "data": {"optuna", "ray", "plotly", "rich"},
    "model": {"optuna", "ray", "plotly", "rich"},
    "trial": {"optuna", "ray", "plotly", "rich"},
    "study": {"ray", "plotly", "rich"},  # but for RAY_FILES
    "full_training": {"optuna", "ray", "plotly", "rich"},
    "release": {"optuna", "ray", "plotly", "rich"},
    "playing": {"optuna", "ray", "plotly", "rich"},
    "reporting": {"torch", "ray", "tokenizers", "nas.data", "nas.model", "nas.trial"},
}

RAY_FILES = {"nas/study/ray_connection.py", "nas/study/ray_pool.py", "nas/study/ray_rungs.py", "nas/study/ray_tune.py"}
"""They are imported when --engine ray is asked for, and not before."""


def part_of(path: Path) -> str:
    """`nas/trial/run.py` is of `trial`, `nas/search.py` of `search`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source: str) -> Iterator[str]:
    """Dotted names of everything imported, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield from (f"{node.module}.{one.name}" for one in node.names)


def wrongs(part: str, source: str) -> list[str]:
    """The imports that `part` must not have."""
    found = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        if top == "nas":
            target = rest.partition(".")[0]
            target = target if target in FLOOR else "__init__"
            if target == "__init__" or target == part:
                continue  # the version, or a file of the same part
            together = FLOOR[target] == FLOOR[part] == 0
            composed = part == "experiments" and target in COMMANDS
            climbs = FLOOR[target] >= FLOOR[part] and not together and not composed
            if climbs or f"nas.{target}" in NEVER.get(part, ()):
                found.append(name)
        elif top in NEVER.get(part, ()) or (FLOOR[part] == 0 and top not in LIBRARIES_OF_FLOOR_0):
            found.append(name)
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_floor_may(path: Path) -> None:
    assert part_of(path) in FLOOR, f"{path} has no floor: give it one here and in CONTRIBUTING.md"
    found = wrongs(part_of(path), path.read_text(encoding="utf-8"))
    if str(path.relative_to(PACKAGE.parent)) in RAY_FILES:
        found = [one for one in found if one.partition(".")[0] != "ray"]
    assert found == []


def test_every_part_with_a_floor_is_there() -> None:
    assert {part_of(path) for path in FILES} == FLOOR.keys()


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("space", "import torch"),
        ("space", "def f():\n    import optuna.trial"),
        ("records", "from nas.data import prepare_data"),
        ("scaling_law", "import optuna"),
        ("data", "from nas.model import Decoder"),
        ("model", "import nas.data"),
        ("trial", "from nas.study.driver import Search"),
        ("trial", "if TYPE_CHECKING:\n    from optuna import Study"),
        ("study", "from nas.reporting import page"),
        ("study", "from nas import reporting"),
        ("study", "import plotly"),
        ("reporting", "from nas.trial.judge import judge"),
        ("full_training", "from nas.study.folder import StudyFolder"),
        ("full_training", "import optuna"),
        ("reporting", "import torch"),
        ("transformers_class", "import transformers"),
        ("release", "from nas.study.driver import Search"),
        ("release", "import optuna"),
        ("playing", "from nas.study.folder import StudyFolder"),
        ("playing", "import nas.reporting"),
        ("search", "from nas.train import main"),
    ],
)
def test_an_import_that_climbs_is_found(part: str, source: str) -> None:
    assert len(wrongs(part, source)) == 1


@pytest.mark.parametrize("name", sorted({path.stem for path in FILES}))
def test_no_file_hides_a_library_that_is_imported_here(name: str) -> None:
    assert name not in {
        *("torch", "optuna", "ray", "plotly", "rich", "tokenizers", "pydantic", "numpy", "filelock"),
        *("transformers", "gguf", "safetensors"),
    }
