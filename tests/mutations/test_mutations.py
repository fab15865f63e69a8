from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutations.run import ROOT, Mutation, imported_from, load_mutations, try_mutation

MUTATIONS = load_mutations()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_still_applies_to_code_that_parses_and_changes_it(mutation: Mutation) -> None:
    source = mutation.find(ROOT / "nas").read_text(encoding="utf-8")
    mutated = ast.parse(mutation.applied(source))
    assert ast.dump(mutated) != ast.dump(ast.parse(source))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_names_test_files_that_exist(mutation: Mutation) -> None:
    assert mutation.tests
    for test in mutation.tests:
        assert (ROOT / test).is_file() and Path(test).name.startswith("test_"), test


def test_names_of_mutations_are_unique() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(set(names)) == len(names)
    assert all("\n" not in mutation.why for mutation in MUTATIONS)


@pytest.mark.parametrize(
    ("new", "state"),
    [
        ("x + x", "passed"),
        ("3 * x", "failed"),
        ("3 * y", "a crash, NameError"),
        ("", "failed"),  # the function returns None
        ("2 * x\nraise ValueError", "pytest ended with 2"),  # at import
    ],
)
def test_only_a_test_that_fails_catches_a_defect(tmp_path: Path, new: str, state: str) -> None:
    tree = tmp_path / "tree"
    for name, text in {
        "nas/__init__.py": "",
        "nas/double.py": "def double(x):\n    return 2 * x\n",
        "tests/test_double.py": "from nas.double import double\ndef test_double():\n    assert double(3) == 6\n",
        "pyproject.toml": "[tool.pytest.ini_options]\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    assert imported_from(tree) == tree.resolve()
    outcome = try_mutation(tree, Mutation("m", "why", "2 * $x", new, ("tests/test_double.py",)))
    assert outcome.state == state, outcome.output
    assert (outcome.test == "tests/test_double.py::test_double") == (state not in ("passed", "pytest ended with 2"))
    assert (tree / "nas/double.py").read_text() == "def double(x):\n    return 2 * x\n"


@pytest.mark.parametrize(
    ("sources", "places"), [([], "nowhere"), (["2 * x"] * 2, "0.py, 1.py"), (["2 * x, 2 * y"], "0.py, 0.py")]
)
def test_old_code_must_occur_exactly_once(tmp_path: Path, sources: list[str], places: str) -> None:
    for number, source in enumerate(sources):
        (tmp_path / f"{number}.py").write_text(source)
    count = places.count(".py")
    with pytest.raises(ValueError, match=f"^m: its old code must occur once, found {count} times: {places}$"):
        Mutation("m", "why", "2 * $x", "3 * $x", ("tests/test_double.py",)).find(tmp_path)


@pytest.mark.parametrize(
    ("old", "source", "mutated"),
    [
        ("$a + $b", "left + right", "right - left"),
        ("$a + $b", "(\n    left +\n    right\n)", "(\n    right - left\n)"),
        ("self.$a + $b", "self.total + 1, self.total + more", "self.total + 1, more - total"),
        ("$a + $a + $b", "x + y + x + x + z", "x + y + z - x"),
    ],
)
def test_a_renamed_identifier_still_matches(old: str, source: str, mutated: str) -> None:
    assert Mutation("m", "why", old, "$b - $a", ()).applied(source) == mutated
