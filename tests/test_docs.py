"""Documented commands and flags exist, and documented commands run."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.__main__ import COMMANDS
from tests.helpers.flags import flags_of

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "experiments/**/*.md", "trials/*.md") for path in ROOT.glob(pattern)
)
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<kind>[a-z]*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in a fenced block or in backticks; `a && b` are two, `#` begins a comment."""
    blocks = [block["code"] for block in BLOCK.finditer(text)]
    inline = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    for line in [*"\n".join(blocks).replace("\\\n", " ").splitlines(), *inline]:
        for command in re.split(r"&&|\|\||[;|]", line.removeprefix("$ ")):
            try:
                words = shlex.split(command, comments=True)
            except ValueError:  # prose, such as an apostrophe in a comment without its mark
                continue
            if words:
                yield words


def unknown_parts(words: list[str]) -> list[str]:
    """Return what a command names that does not exist; nothing for a command of another program."""
    if words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
        given = [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)]
        return [f"make {word}" for word in given if word not in targets]
    is_python = len(words) > 2 and Path(words[0]).name in ("python", "python3") and words[1] == "-m"
    if is_python and words[2].partition(".")[0] in ("nas", "experiments", "benchmarks"):
        return unknown_flags(words[2], words[3:])
    if words[0] == "nas" and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
        return unknown_flags(f"nas.{words[1]}", words[2:]) if words[1] in COMMANDS else [f"nas {words[1]}"]
    return []


def unknown_flags(module: str, arguments: list[str]) -> list[str]:
    if module.endswith(".NAME"):
        return []
    spec = importlib.util.find_spec(module)
    if spec is None:
        return [module]
    if not spec.submodule_search_locations:  # a script without flags
        return []
    command = importlib.import_module(f"{module}.__main__")
    known = flags_of(command.parser())
    given = [word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)]
    return [f"{module} {flag}" for flag in given if flag not in known]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_flags_and_targets_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [part for words in commands(text) for part in unknown_parts(words)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(path: Path) -> None:
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    built = [target for target in targets if target.startswith("results/")]  # copies that `make docs` makes
    sources = {f"results/{folder.name.replace('_', '-')}.md" for folder in (ROOT / "experiments").iterdir()}
    assert set(built) <= sources | {"results/benchmarks.md", "results/experiments.md"}
    assert [target for target in targets if target not in built and not (path.parent / target).exists()] == []


def test_the_generated_pages_are_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs/generate.py", "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_key_of_a_space_file_has_a_meaning() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| *(.*?) *\|$", (ROOT / "docs/space-keys.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) > 25
    assert [key for key, meaning in rows if not meaning] == []


def test_the_example_of_an_objective_runs(capfd: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    (example,) = [block["code"] for block in BLOCK.finditer(text) if "run_study" in block["code"] and not block["why"]]
    exec(compile(example, "python.md", "exec"), {})
    words, fitness = capfd.readouterr().out.strip().rsplit(maxsplit=1)
    assert re.match(r"L\d H\d+ V\d+ ", words)
    assert 1 < float(fitness) < 4


def test_the_readme_names_the_commands_a_user_starts_with() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = [" ".join(words[:3]) for words in commands(text)]
    assert {"make search", "python -m nas.train"} <= set(first)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("```\npython -m nas.search --bugdet 4  # so many\n```\n", "nas.search --bugdet"),
        ("```sh\n$ .venv/bin/python -m nas.search \\\n  --budget 4 --nope\n```\n", "nas.search --nope"),
        ("`nas tokenizer train 512 --size 3`", "nas.tokenizer --size"),
        ("run `nas report DIR --collapse=3` now", "nas.report --collapse"),
        ("`python -m nas.nothing --x`", "nas.nothing"),
        ("`python -m experiments.nothing`", "experiments.nothing"),
        ("`nas plya x`", "nas plya"),
        ("```\nmake seearch BUDGET=3\n```\n", "make seearch"),
    ],
)
def test_a_document_that_is_wrong_is_found(text: str, unknown: str) -> None:
    assert [part for words in commands(text) for part in unknown_parts(words)] == [unknown]


def test_a_document_that_is_right_passes() -> None:
    text = (
        "```\nmake setup && python -m nas.search --budget=4 --space my.toml\nnas train --arch-json x --max-steps 3\n```"
    )
    found = list(commands(text))
    assert len(found) == 3
    assert [part for words in found for part in unknown_parts(words)] == []


def test_the_walk_of_a_trial_names_functions_where_they_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    stops = re.findall(r"^ *(\w+) +([\w/]+\.py) ", text, flags=re.MULTILINE)
    assert len(stops) > 10
    for name, file in stops:
        assert re.search(rf"^(def|class) {name}\b", (ROOT / "nas" / file).read_text("utf-8"), re.MULTILINE), (
            name,
            file,
        )


# The guides' commands, run one after the other as a reader would, in a folder that has what the pages speak of.

PAGES = ("tutorial", "searching", "report", "train", "export", "play", "evaluate", "audit", "tokenizers")
SLOW_FLAGS = {"--max-steps 200": "--max-steps 20", "--max-steps 1000": "--max-steps 20"}
"""Lengths that show nothing more in a test."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trials/base, trials/tiny, runs/first and runs/mine, made by the tutorial's own commands."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in ("trials", "search_spaces"):
        (folder / name).mkdir()
    shutil.copytree(ROOT / "trials/reference/base", folder / "trials/base")
    shutil.copy(ROOT / "trials/README.md", folder / "trials")
    for command in page_commands("tutorial"):
        run_in(folder, command)
    return folder


def page_commands(page: str) -> list[str]:
    """Return the command lines of a page that are not marked as not run."""
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    blocks = [block["code"] for block in BLOCK.finditer(text) if not block["why"] and not block["kind"]]
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def run_in(folder: Path, command: str) -> None:
    for written, quick in SLOW_FLAGS.items():
        command = command.replace(written, quick)
    environment = {
        **{"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page != "tutorial"])
def test_the_commands_of_a_page_run(page: str, workspace: Path) -> None:
    listed = page_commands(page)
    assert listed
    for command in listed:
        run_in(workspace, command)


def test_every_block_of_commands_in_the_guides_runs_or_says_why_not() -> None:
    for path in sorted((ROOT / "docs").glob("*.md")):
        for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
            is_command = block["kind"] == "" and re.search(r"python|make |pip |ray |nas ", block["code"])
            assert not is_command or block["why"] or path.stem in PAGES, f"{path.name}: {block['code'][:60]}"
