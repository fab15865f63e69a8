from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from nas.corpus.documents import cleaned_documents
from nas.corpus.recipe import find_recipe, pair_recipe, shipped_recipes
from nas.corpus.sources import GitSource, WheelSource
from nas.errors import CorpusError

WHEEL = 'package = "a"\nversion = "1"\nfile = "a-1-py3-none-any.whl"\nsha256 = "' + "0" * 64 + '"\n'


def recipe_file(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_can_be_read(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.name == name
    assert recipe.about


def test_the_large_recipe_has_ten_pinned_packages_with_licences() -> None:
    wheels = [source for source in find_recipe("python-100mb").sources if isinstance(source, WheelSource)]
    assert len({wheel.package for wheel in wheels}) == len(find_recipe("python-100mb").sources) == 10
    assert all(wheel.license and wheel.num_bytes > 1_000_000 and wheel.version in wheel.file for wheel in wheels)


def test_sources_of_every_kind_are_read_relative_to_the_recipe(tmp_path: Path) -> None:
    for name in ("code/a.py", "pattern/b.py", "checkout/c.py", "checkout/untracked.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"name = {name!r}\n")
    (tmp_path / "text.txt").write_text("text = 1\n")
    checkout = tmp_path / "checkout"
    for command in (["init", "-q"], ["add", "c.py"], ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "c"]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    recipe = find_recipe(
        recipe_file(
            tmp_path,
            '[[sources]]\nfolder = "code"\n[[sources]]\nglob = "pat*/*.py"\n'
            '[[sources]]\ngit = "checkout"\n[[sources]]\ntext = "text.txt"\nsplit = "validation"\n',
        )
    )
    documents = list(cleaned_documents(recipe, Counter()))
    assert [(document.name, document.split) for document in documents] == [
        ("text.txt:000000", "validation"),  # evaluation first, so that a copy of it is not trained on
        ("a.py", None),
        ("pattern/b.py", None),
        ("c.py", None),
    ]
    (revision,) = recipe.revisions().values()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    assert revision == head.stdout.strip()
    (checkout / "c.py").write_text("changed = 1\n")
    assert GitSource(git=str(checkout)).revision() == revision + "+"


def test_a_copy_of_evaluation_is_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("same = 1\n")
    (tmp_path / "val.txt").write_text("same = 1\n")
    counts: Counter[str] = Counter()
    documents = list(cleaned_documents(pair_recipe(str(tmp_path / "train.txt"), str(tmp_path / "val.txt")), counts))
    assert [document.split for document in documents] == ["validation"]
    assert counts["duplicates"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources = 1", "sources must be tables"),
        ("", r"sources: field required"),
        ("[[sources]]\n", "one of the keys package, folder, .*; found nothing"),
        ('[[sources]]\nfolder = "a"\ngit = "b"\n', "found folder, git"),
        ('[[sources]]\nfolder = "a"\ndepth = 1\n', "unknown key of a folder source 'depth'"),
        ('[[sources]]\nfolder = "a"\nsplit = "test"\n', "split"),
        ('[[sources]]\nfolder = "a"\nsplit = "holdout"\n', "no source is left for training"),
        ("[[sources]]\n" + WHEEL.replace("0" * 64, "0" * 63), "sha256"),
        ("[[sources]]\nstdlib = false\n", "stdlib"),
        ("[cleaning]\nteste = true\n[[sources]]\nstdlib = true\n", "cleaning.teste"),
        ("[clean]\n", "unknown key 'clean'; did you mean 'cleaning'"),
        ("[split]\nby = 'line'\n[[sources]]\nstdlib = true\n", "split.by"),
        ("= 1", "cannot read corpus recipe"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        find_recipe(recipe_file(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot read the git checkout"):
        list(GitSource(git=str(tmp_path)).read(lambda line: None))
