"""Imports go down the floors only, at any depth of the code: what a function imports counts too."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nas

PACKAGE = Path(nas.__file__).parent
FLOORS = (
    ("errors",),
    ("architecture", "system"),
    ("cli", "scaling_law", "space"),
    ("records",),
    ("corpus", "model", "report"),
    ("tokenizer", "training"),
    ("data", "inference"),
    ("evaluate",),
    ("audit",),
    ("trial",),
    ("export", "play", "search", "train"),
)
"""Packages by floor, lowest first. A package imports only from lower floors, so imports have no cycle."""
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
COMMANDS = ("audit", "corpus", "evaluate", "export", "play", "report", "search", "tokenizer", "train")
PLAIN_DATA = {"architecture", "cli", "errors", "records", "scaling_law", "space", "system"}
"""Packages that load fast: they import only the standard library and PLAIN_LIBRARIES."""
PLAIN_LIBRARIES = {*sys.stdlib_module_names, "filelock", "numpy", "pydantic", "scipy"}
FOREIGN = {"optuna", "plotly", "ray", "rich", "torch"}
"""Libraries that only certain packages may import."""
ALLOWED = {"report": {"optuna", "plotly", "rich"}, "search": {"optuna", "torch"}}
"""Package -> libraries of FOREIGN that it may import; other packages outside PLAIN_DATA may import torch."""
RAY_FILES = {f"nas/search/executors/{name}.py" for name in ("ray_connection", "ray_pool", "ray_trainable", "ray_tune")}
"""Modules that are imported only for --engine ray."""


def package_of(path: Path) -> str:
    """Return `trial` for nas/trial/run.py, `cli` for nas/cli.py, `command` for what nobody may import."""
    if path.name == "__main__.py":
        return "command"
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source: str) -> Iterator[str]:
    """Yield dotted names of everything imported, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def forbidden_imports(package: str, source: str) -> list[str]:
    """Return the imports of `source` that `package` must not have."""
    found = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        if top == "nas":
            target = rest.partition(".")[0]
            climbs = target in FLOOR and target != package and FLOOR[target] >= FLOOR.get(package, len(FLOORS))
            if climbs or "__main__" in rest.split("."):
                found.append(name)
        elif (
            (package in FLOOR and top in FOREIGN - ALLOWED.get(package, {"torch"}))
            or top == "experiments"
            or (package in PLAIN_DATA and top not in PLAIN_LIBRARIES)
        ):
            found.append(name)
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_floors_below(path: Path) -> None:
    found = forbidden_imports(package_of(path), path.read_text(encoding="utf-8"))
    if str(path.relative_to(PACKAGE.parent)) in RAY_FILES:
        found = [name for name in found if name.partition(".")[0] != "ray"]
    assert found == []


def test_each_package_has_a_floor_and_each_floor_its_packages() -> None:
    assert {package_of(path) for path in FILES} - {"command", "__init__"} == FLOOR.keys()


def test_each_command_is_the_package_that_does_it() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__main__.py")} == set(COMMANDS)


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("space", "import torch"),
        ("space", "def f():\n    import optuna.trial"),
        ("space", "from nas.records import TrialRecord"),
        ("records", "from nas.data.prepare import prepare_data"),
        ("scaling_law", "import optuna"),
        ("corpus", "from nas.model import Decoder"),
        ("model", "import nas.corpus"),
        ("training", "from nas.data.prepared import PreparedData"),
        ("evaluate", "from nas.audit import Finding"),
        ("trial", "from nas.search.driver import Budget"),
        ("trial", "if TYPE_CHECKING:\n    from optuna import Study"),
        ("search", "import ray"),
        ("search", "import nas.train"),
        ("search", "import plotly"),
        ("report", "from nas.evaluate.metrics import evaluate"),
        ("report", "import torch"),
        ("train", "from nas.search.folder import StudyFolder"),
        ("train", "import optuna"),
        ("train", "from experiments.trainings import Trainings"),
        ("architecture", "import transformers"),
        ("export", "import optuna"),
        ("play", "from nas.train.run import FullTraining"),
        ("report", "from nas.report.__main__ import main"),
        ("command", "from nas.train.__main__ import main"),
    ],
)
def test_an_import_that_climbs_is_found(package: str, source: str) -> None:
    assert len(forbidden_imports(package, source)) == 1


@pytest.mark.parametrize("name", sorted({path.stem for path in FILES}))
def test_no_file_hides_a_library_that_is_imported_here(name: str) -> None:
    assert name not in {
        *("torch", "optuna", "ray", "plotly", "rich", "tokenizers", "pydantic", "numpy", "filelock"),
        *("transformers", "gguf", "safetensors", "jinja2", "scipy"),
    }
