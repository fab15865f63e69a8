from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.evaluate.quality.prompts import Prompt, choose_prompts, one_line_prompts
from nas.evaluate.quality.syntax import is_python_so_far

# The size of each group, and the pattern of its lines.
GROUPS = (
    (60, r"def \w+\((?!self)"),
    (30, r"class \w+(\(.+\))?:$"),
    (24, r"def \w+\(self"),
    (30, r"(import|from) \w"),
    (24, r"(try:|with .+:|except .+:|raise \w.+)$"),
    (20, r"@\w"),
    (24, r".* for\b|.*\blambda\b"),
    (14, r"async def \w+\("),
    (18, r"(for|while|if|match) .+:$"),
    (12, r"(if __name__|\"\"\"|#!|logg|__\w+__ = |[A-Z_]+ = )"),
)


def test_there_are_256_different_lines_of_4_to_70_printable_ascii_characters() -> None:
    prompts = one_line_prompts()
    assert len(prompts) == len(set(prompts)) == 256
    assert [prompt for prompt in prompts if not re.fullmatch(r"[!-~][ -~]{2,68}[!-~]", prompt)] == []


def test_the_lines_are_in_their_groups() -> None:
    prompts = one_line_prompts()
    start = 0
    for size, shape in GROUPS:
        assert [prompt for prompt in prompts[start : start + size] if not re.match(shape, prompt)] == []
        start += size
    assert start == len(prompts)


def test_every_prompt_but_the_except_clauses_can_begin_a_file() -> None:
    wrong = [prompt for prompt in one_line_prompts() if not is_python_so_far(prompt, "")]
    assert len(wrong) == 4
    assert all(prompt.startswith("except ") for prompt in wrong)


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
