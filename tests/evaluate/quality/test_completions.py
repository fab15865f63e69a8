from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.evaluate.quality.completions import Completion, read_completions, write_completions

FIELDS = [
    "index", "prompt", "completion", "elapsed_sec", "mode", "run_id", "max_tokens", "temperature", "top_p", "top_k",
]  # fmt: skip
WHOLE = Completion(
    index=3, prompt="def é(x):\n", completion="\u2028\x00\x1b[2J ☃\n", elapsed_sec=0.25, mode="origin",
    run_id="a-origin", max_tokens=64, temperature=0.8, top_p=0.9, top_k=40, ended=True,
)  # fmt: skip


def read(tmp_path: Path, content: str | bytes) -> list[Completion]:
    path = tmp_path / "some.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_completions(path)


def test_completions_are_read_back_in_the_fields_of_the_origin(tmp_path: Path) -> None:
    path = tmp_path / "new" / "some.jsonl"
    write_completions([WHOLE, Completion(completion="")], ["loop", None], path)
    assert read_completions(path) == [WHOLE, Completion(completion="")]
    first = json.loads(path.read_bytes().split(b"\n")[0])
    assert list(first) == [*FIELDS, "ended", "rule"]
    assert first["rule"] == "loop"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_only_the_completion_is_required_and_other_keys_are_ignored(tmp_path: Path) -> None:
    content = '\ufeff{"completion": "a"}\r\n\n{"completion": "b", "prompt": null, "run_id": 7, "score": [1]}\n'
    assert read(tmp_path, content) == [Completion(completion="a"), Completion(completion="b", run_id="7")]


def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    (completion,) = read(tmp_path, '{"completion": "a\\ud83db", "prompt": "\\ud83d\\ude00"}')
    assert (completion.completion, completion.prompt) == ("a\ufffdb", "😀")


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b'{"completion": "a"', "line 3 is not JSON"),
        (b"[" * 100_000, "line 3 is not JSON"),
        (b"5", "line 3 is not a JSON object but int"),
        (b'{"prompt": "a"}', "line 3: completion: field required"),
        (b'{"completion": 5}', "line 3: completion: .*, found 5"),
        (b'{"completion": "a", "index": "one"}', "line 3: index: .*, found 'one'"),
        (b'{"completion": "a", "prompt": 5}', "line 3: prompt: .*, found 5"),
        (b'{"completion": "\xff"}', "line 3 is not UTF-8"),
    ],
)
def test_a_damaged_line_is_named_by_its_number(tmp_path: Path, damaged: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, b'{"completion": "a"}\n\n' + damaged + b'\n{"completion": "b"}\n')


def test_a_file_without_completions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no completions"):
        read(tmp_path, "\n\n")
    with pytest.raises(UsageError, match="cannot read completions"):
        read_completions(tmp_path)
