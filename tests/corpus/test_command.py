from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.corpus.__main__ import main
from nas.data.prepare import describe_corpus, prepare_data
from nas.data.prepared import PreparedData
from nas.search import __main__ as search
from tests.helpers.study_commands import Ran, ran
from tests.helpers.wheel_files import make_wheel

Command = Callable[..., Ran]


@pytest.fixture
def corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return lambda *argv: ran(main, "nas.corpus", [str(argument) for argument in argv], capsys)


def test_a_corpus_is_built_and_described(corpus: Command, corpus_folder: Path, data: PreparedData) -> None:
    done = corpus("build", corpus_folder)
    assert done.code == 0
    lines = dict(line.split(None, 1) for line in done.out.splitlines())
    counts = data.manifest["counts"]
    assert lines["files"] == f"{counts['files_found']:,} found, {counts['kept']:,} documents kept"
    share = data.manifest["splits"]["validation"]["seen_line_share"]
    assert f"seen lines  {share:.1%} of the long lines of validation" in done.out
    assert lines["next"] == f"python -m nas.search --corpus {corpus_folder}"
    # A search finds the same corpus.
    assert lines["folder"] == str(data.folder)


def test_the_manifest_is_printed_as_json(corpus: Command, corpus_folder: Path, tmp_path: Path) -> None:
    done = corpus("build", corpus_folder, "--split", "package", "--seed", "3", "--out", tmp_path / "mine", "--json")
    manifest = json.loads(done.out)
    assert manifest == json.loads((tmp_path / "mine" / "manifest.json").read_text())
    assert manifest["recipe"]["split"]["by"] == "package"
    assert manifest["command"] == f"python -m nas.corpus build {corpus_folder} --split package --seed 3"


def next_corpus(done: Ran) -> str:
    """Return the value of --corpus in the suggested next command, as a shell reads it."""
    assert done.code == 0, done.err
    *command, corpus = shlex.split(done.out.splitlines()[-1])
    assert command == ["next", "python", "-m", "nas.search", "--corpus"]
    return corpus


@pytest.mark.parametrize("flags", [["--out", "my corpus"], ["--seed", "3"], ["--seed", "0"], ["--split", "package"]])
def test_the_next_command_uses_what_was_built(corpus: Command, corpus_folder: Path, flags: list[str]) -> None:
    done = corpus("build", corpus_folder, *flags)
    folder = next_corpus(done)
    assert f"folder      {folder}\n" in done.out
    manifest = json.loads((Path(folder) / "manifest.json").read_text())
    assert describe_corpus(folder).endswith(f" in {manifest['counts']['kept']} documents")
    data = prepare_data(folder, ["bytes"], progress=lambda line: None)
    assert (data.folder, data.corpus_hash) == (Path(folder), manifest["content_hash"])


def test_a_pattern_is_quoted_in_the_next_command(corpus: Command, corpus_folder: Path) -> None:
    pattern = f"{corpus_folder}/*.py"
    assert next_corpus(corpus("build", pattern)) == pattern


def test_a_search_takes_the_folder_of_a_built_corpus(
    corpus: Command, corpus_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next_corpus(corpus("build", corpus_folder, "--seed", "1", "--out", "mine"))
    done = ran(search.main, "nas.search", ["--corpus", folder, "--dry-run"], capsys)
    assert done.code == 0
    assert describe_corpus(folder) in done.out


def test_a_folder_of_another_corpus_is_refused_in_one_line(corpus: Command, corpus_folder: Path) -> None:
    first = corpus("build", corpus_folder, "--out", "mine")
    again = corpus("build", corpus_folder, "--out", "mine")
    assert (again.code, again.out, again.err) == (0, first.out, "")
    other = corpus("build", corpus_folder, "--out", "mine", "--seed", "7")
    assert other.code == 2
    assert "--out mine has another corpus: stored seed 0; requested seed 7; choose another" in other.error


def test_a_file_as_out_is_refused_and_leaves_no_lock(corpus: Command, corpus_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = corpus("build", corpus_folder, "--out", "taken")
    assert done.code == 2
    assert "--out taken cannot be a folder: taken is a file; give a new folder" in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_wheels_are_read_from_the_configured_index_and_then_from_no_network(
    corpus: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODENAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    files = {f"tiny/m{i}.py": "".join(f"x{i}_{j} = f{i * j}(y{j})\n" for j in range(2_500)).encode() for i in range(30)}
    files["tiny/data.bin"] = b"\0"
    wheel = make_wheel(tmp_path, "tiny", files)
    pin = corpus("pin", "tiny==1.0")
    assert pin.code == 0
    assert f'sha256 = "{wheel.sha256}"' in pin.out
    assert 'license = "MIT"' in pin.out
    (tmp_path / "mine.toml").write_text(pin.out)
    first = corpus("build", "mine.toml", "--json")
    assert (first.code, json.loads(first.out)["counts"]["kept"]) == (0, 30)
    (tmp_path / wheel.file).unlink()
    again = corpus("build", "mine.toml", "--json")
    assert again.out == first.out
    monkeypatch.setenv("CODENAS_CACHE", str(tmp_path / "another"))
    offline = corpus("build", "mine.toml")
    assert offline.code == 2
    assert f"still missing: {wheel.file}" in offline.error


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["build", "/absent"], "corpus '/absent' does not exist; give a folder, .* or one of: python-100mb, stdlib"),
        (["build", "absent.toml"], "cannot read corpus recipe absent.toml: No such file"),
        (["build", "stdlib", "--split", "line"], "invalid choice: 'line'"),
        (["pin", "tiny"], "cannot pin 'tiny'; .* PACKAGE==VERSION"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_usage_is_one_line(corpus: Command, argv: list[str], message: str) -> None:
    done = corpus(*argv)
    assert done.code == 2
    assert re.search(message, done.error)
    assert "\n" not in done.error.strip()
