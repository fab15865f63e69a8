from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.evaluate.quality.prompts import Prompt, choose_prompts, one_line_prompts


def test_by_default_all_one_line_prompts_are_chosen() -> None:
    chosen = choose_prompts(None, None)
    assert [prompt.text for prompt in chosen] == list(one_line_prompts())
    assert [prompt.index for prompt in chosen] == list(range(256))


def test_fewer_prompts_are_spread_over_all_and_keep_their_index(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("a\n\nb\n  c \nd\r\ne\n   \nf\ng")
    assert choose_prompts(path, None) == [Prompt(index, text) for index, text in enumerate(["a", "b", "  c ", *"defg"])]
    assert choose_prompts(path, 3) == [Prompt(0, "a"), Prompt(2, "  c "), Prompt(4, "e")]


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "holds no prompts"), (b"\n \n", "holds no prompts"), (b"\xff\n", "not UTF-8")]
)
def test_a_file_without_prompts_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        choose_prompts(path, None)


def test_more_prompts_than_there_are_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--num-prompts 257 is more than the 256"):
        choose_prompts(None, 257)
    with pytest.raises(UsageError, match="cannot read prompts"):
        choose_prompts(tmp_path / "absent", 1)
