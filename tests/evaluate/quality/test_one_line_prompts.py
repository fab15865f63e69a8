from __future__ import annotations

import re

from nas.evaluate.quality.prompts import one_line_prompts
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
