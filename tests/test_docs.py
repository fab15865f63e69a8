"""Commands in the documents name commands, flags and targets that exist."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.__main__ import COMMANDS
from tests.helpers.flags import flags_of

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("experiments/**/*.md"), *ROOT.glob("trials/*.md")]
)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command in a fenced block or between backticks; `a && b` are two, `#` begins a remark."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in [*"\n".join(blocks).replace("\\\n", " ").splitlines(), *inline]:
        for command in re.split(r"&&|\|\||[;|]", line.removeprefix("$ ")):
            try:
                words = shlex.split(command, comments=True)
            except ValueError:  # prose, such as an apostrophe in a remark without its mark
                continue
            if words:
                yield words


def wrongs(words: list[str]) -> list[str]:
    """What a command names that is not there; nothing for a command of somebody else."""
    if words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
        asked = [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)]
        return [f"make {word}" for word in asked if word not in targets]
    if (
        len(words) > 2
        and Path(words[0]).name in ("python", "python3")
        and words[1] == "-m"
        and words[2].partition(".")[0] in ("nas", "experiments")
    ):
        return unknown_flags(words[2], words[3:])
    if words[0] == "nas" and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
        return unknown_flags(f"nas.{words[1]}", words[2:]) if words[1] in COMMANDS else [f"nas {words[1]}"]
    return []


def unknown_flags(module: str, arguments: list[str]) -> list[str]:
    found = importlib.util.find_spec(module)
    if found is None:
        return [module]
    command = importlib.import_module(f"{module}.__main__" if found.submodule_search_locations else module)
    known = flags_of(command.parser()) if hasattr(command, "parser") else set()
    given = [word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)]
    return [f"{module} {flag}" for flag in given if flag not in known]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_flags_and_targets_exist(path: Path) -> None:
    found = [wrong for words in commands(path.read_text(encoding="utf-8")) for wrong in wrongs(words)]
    assert found == []


def test_the_example_of_an_objective_of_ones_own_runs(capfd: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = [
        one for one in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "run_study" in one
    ]
    exec(compile(example, "README.md", "exec"), {})
    words, fitness = capfd.readouterr().out.strip().rsplit(maxsplit=1)
    assert re.match(r"L\d H\d+ V\d+ ", words)
    assert 1 < float(fitness) < 4


def test_the_readme_names_the_commands_a_user_starts_with() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [" ".join(words[:3]) for words in commands(text)]
    assert "python -m nas.search" in found
    assert any(one.startswith("make ") for one in found)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```\npython -m nas.search --bugdet 4  # so many\n```\n", "nas.search --bugdet"),
        ("```sh\n$ .venv/bin/python -m nas.search \\\n  --budget 4 --nope\n```\n", "nas.search --nope"),
        ("`nas tokenizer train 512 --size 3`", "nas.tokenizer --size"),
        ("run `nas report DIR --collapse=3` now", "nas.report --collapse"),
        ("`python -m nas.nothing --x`", "nas.nothing"),
        ("`nas plya x`", "nas plya"),
        ("```\nmake seearch BUDGET=3\n```\n", "make seearch"),
    ],
)
def test_a_document_that_is_wrong_is_found(text: str, wrong: str) -> None:
    assert [one for words in commands(text) for one in wrongs(words)] == [wrong]


def test_a_document_that_is_right_passes() -> None:
    text = (
        "```\nmake setup && python -m nas.search --budget=4 --space my.toml\nnas train --arch-json x --max-steps 3\n```"
    )
    found = list(commands(text))
    assert len(found) == 3
    assert [wrong for words in found for wrong in wrongs(words)] == []
