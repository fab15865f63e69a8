"""Puts known defects into a copy of the source, one at a time, and shows that the default tests catch each of them.

    python tests/mutations/run.py [--only NAME]

The defects are listed in mutations.toml. A defect counts as caught when a test fails on it, not when the code no longer
runs: a failed collection, a fixture that raises or a NameError says nothing about what the tests check. First the same
tests must pass without a defect. Defects that are not in the list are not covered.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent.parent
LIST = Path(__file__).with_name("mutations.toml")
TREE = (
    "nas",
    "search_spaces",
    "tests",
    "docs",
    "experiments",
    "benchmarks",
    "trials/reference",
    "pyproject.toml",
    "README.md",
)
"""Files and folders that the tests read."""
TIMEOUT_SECONDS = 900
CRASHES = ("NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "AttributeError", "TypeError")
"""Exceptions of code that does not run: a test that fails with one has noticed a broken program, not a wrong result."""


@dataclass(frozen=True)
class Mutation:
    """One defect: `old`, which occurs once in the package, becomes `new`."""

    name: str
    why: str
    """Wrong behaviour that the defect causes, in one line."""
    old: str
    """Code that occurs once in the package; `$word` matches any one identifier, so that a rename changes nothing."""
    new: str
    """The defect, with the same `$word`s."""
    tests: tuple[str, ...]
    """Test files of which at least one test must fail."""

    def find(self, package: Path) -> Path:
        """Return the file of `package` that `old` matches; ValueError unless it matches at one place of one file."""
        paths = [path for path in sorted(package.rglob("*.py")) for _ in matches(self.old, path.read_text("utf-8"))]
        if len(paths) != 1:
            places = ", ".join(str(path.relative_to(package)) for path in paths) or "nowhere"
            raise ValueError(f"{self.name}: its old code must occur once, found {len(paths)} times: {places}")
        return paths[0]

    def applied(self, source: str) -> str:
        """Return `source` with the defect."""
        start, end, names = next(matches(self.old, source))
        return source[:start] + re.sub(r"\$(\w+)", lambda word: names[word[1]], self.new) + source[end:]


@cache
def tokens_of(code: str) -> list[tuple[str, int, int]]:
    """Return each word and each other visible character of `code` with its place; white space does not count."""
    return [(token[0], token.start(), token.end()) for token in re.finditer(r"\$?\w+|[^\w\s]", code)]


def matches(pattern: str, source: str) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield start, end and the identifiers of `$word`s wherever the tokens of `pattern` occur in `source`."""
    wanted = [word for word, _, _ in tokens_of(pattern)]
    if not all(word in source for word in wanted if not word.startswith("$")):
        return
    given = tokens_of(source)
    for first in range(len(given) - len(wanted) + 1):
        names: dict[str, str] = {}
        window = given[first : first + len(wanted)]
        if all(_fits(word, token, names) for word, (token, _, _) in zip(wanted, window, strict=True)):
            yield window[0][1], window[-1][2], names


def _fits(word: str, token: str, names: dict[str, str]) -> bool:
    if not word.startswith("$"):
        return word == token
    return token.isidentifier() and names.setdefault(word[1:], token) == token


@dataclass(frozen=True)
class Outcome:
    """Result of a run of pytest."""

    state: str
    """`passed`, `failed`, or the reason why it is neither."""
    test: str = ""
    """The first test that failed."""
    output: str = ""


def load_mutations(path: Path = LIST) -> list[Mutation]:
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["mutations"]
    return [Mutation(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


def copy_tree(folder: Path) -> Path:
    tree = folder / "tree"
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def imported_from(tree: Path) -> Path:
    """Return the folder from which Python imports `nas` in the environment of the tests."""
    command = [sys.executable, "-c", "import nas; print(nas.__file__)"]
    printed = subprocess.run(
        command, cwd=tree.parent, env=_environment(tree), capture_output=True, text=True, check=True
    ).stdout
    return Path(printed.strip()).parent.parent


def run_tests(tree: Path, tests: Sequence[str]) -> Outcome:
    """Run pytest on `tests` of `tree` with the `nas` of `tree`, up to the first test that does not pass."""
    report = tree.parent / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
    command += [f"--junit-xml={report}", f"--basetemp={tree.parent / 'pytest'}", *tests]
    try:
        ran = subprocess.run(
            command, cwd=tree, env=_environment(tree), capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Outcome(f"not done in {TIMEOUT_SECONDS} s")
    output = ran.stdout + ran.stderr
    if ran.returncode == 0:
        return Outcome("passed")
    if ran.returncode != 1 or not report.exists():
        return Outcome(f"pytest ended with {ran.returncode}", output=output)
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        test = f"{case.get('file')}::{case.get('name', '').partition('[')[0]}"
        if case.find("error") is not None:
            return Outcome("an error outside of the tests", test, output)
        if (failure := case.find("failure")) is not None:
            exception = failure.get("message", "").partition(":")[0]
            return Outcome(f"a crash, {exception}" if exception in CRASHES else "failed", test, output)
    return Outcome("no failed test in the report", output=output)


def try_mutation(tree: Path, mutation: Mutation) -> Outcome:
    """Run the tests of `mutation` on `tree` with its defect, then remove the defect."""
    path = mutation.find(tree / "nas")
    source = path.read_text(encoding="utf-8")
    path.write_text(mutation.applied(source), encoding="utf-8")
    try:
        return run_tests(tree, mutation.tests)
    finally:
        path.write_text(source, encoding="utf-8")


def _environment(tree: Path) -> dict[str, str]:
    # One thread unless the user says otherwise: several threads on a busy core mostly wait for each other.
    # No bytecode: Python would use the old bytecode of a file that changes within a second and keeps its length.
    return {"OMP_NUM_THREADS": "1"} | os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}


def check_all(mutations: Sequence[Mutation], folder: Path) -> bool:
    """Print a line for each of `mutations`; return whether all were caught."""
    tree = copy_tree(folder)
    if (source := imported_from(tree)) != tree.resolve():
        sys.exit(f"the tests would import nas from {source}, not from the copy {tree}")
    tests = sorted({test for mutation in mutations for test in mutation.tests})
    outcome = run_tests(tree, tests)
    if outcome.state != "passed":
        sys.exit(f"{outcome.output}\nthe tests must pass before a defect means something: {outcome.state}")
    print(f"test files that pass without a defect: {len(tests)}", flush=True)
    width = max(len(mutation.name) for mutation in mutations)
    missed = 0
    for mutation in mutations:
        started = time.perf_counter()
        try:
            outcome = try_mutation(tree, mutation)
        except ValueError as error:
            outcome = Outcome(str(error))
        seconds = time.perf_counter() - started
        is_caught = outcome.state == "failed"
        missed += not is_caught
        word = "caught" if is_caught else "SURVIVED" if outcome.state == "passed" else "UNCLEAR"
        detail = (
            outcome.test if is_caught else f"{mutation.why} ({outcome.state}{outcome.test and f', {outcome.test}'})"
        )
        print(f"{word:<8}  {mutation.name:<{width}}  {seconds:5.1f} s  {detail}", flush=True)
    print(f"{len(mutations) - missed} of {len(mutations)} defects caught")
    return missed == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Show that the default tests fail under each defect of a list.")
    parser.add_argument("--only", metavar="NAME", help="try only this defect")
    options = parser.parse_args()
    mutations = [mutation for mutation in load_mutations() if options.only in (None, mutation.name)]
    if not mutations:
        parser.error(f"no mutation '{options.only}' in {LIST}")
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        return 0 if check_all(mutations, Path(folder).resolve()) else 1


if __name__ == "__main__":
    sys.exit(main())
