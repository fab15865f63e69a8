from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from nas.play.input import FIRST, MORE, opens_block, read_input


def typing(lines: Iterator[str | BaseException]) -> Callable[[str], str]:
    def read_line(prompt: str) -> str:
        line = next(lines)
        if isinstance(line, BaseException):
            raise line
        return line

    return read_line


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["x = "], "x = "),
        ([""], ""),
        (["def f(x):", ""], "def f(x):"),
        (["def f(x):", "    return ", ""], "def f(x):\n    return "),
        (["class A:", "\tx = 1", "y", "    ", ""], "class A:\n\tx = 1\ny\n    "),
        (["@property", "def f(self): pass", ""], "@property\ndef f(self): pass"),
        (["  x", ""], "  x"),
        (["f(", "a)", ""], "f(\na)"),
        ([":{", "x", "", "  y:", "", ":}"], "x\n\n  y:\n"),
        ([":{", ":}"], ""),
        ([":set seed 3"], ":set seed 3"),
    ],
)
def test_a_line_is_an_input_and_a_block_ends_at_an_empty_line(lines: list[str], expected: str) -> None:
    remaining = iter([*lines, "the next input"])
    assert read_input(typing(remaining)) == expected
    assert next(remaining) == "the next input"


@pytest.mark.parametrize("line", ["if x:", "if x: ", "f(", "[", "{", "f(a,", "x = \\", "\tx", " x", "@a"])
def test_more_lines_follow_one_that_opens_a_block_or_is_indented(line: str) -> None:
    assert opens_block(line)


@pytest.mark.parametrize("line", ["", "x", "x = 1", "f()", "def f(): pass"])
def test_any_other_line_is_complete(line: str) -> None:
    assert not opens_block(line)


def test_the_first_line_has_another_prompt_than_those_after_it() -> None:
    shown = []

    def read_line(prompt: str) -> str:
        shown.append(prompt)
        return "" if len(shown) == 3 else "if x:"

    read_input(read_line)
    assert shown == [FIRST, MORE, MORE]


def test_ctrl_c_cancels_an_input_that_has_begun_and_is_raised_at_its_first_line() -> None:
    assert read_input(typing(iter(["if x:", KeyboardInterrupt()]))) is None
    assert read_input(typing(iter([":{", "x", KeyboardInterrupt()]))) is None
    with pytest.raises(KeyboardInterrupt):
        read_input(typing(iter([KeyboardInterrupt()])))
    with pytest.raises(KeyboardInterrupt):
        read_input(typing(iter(["if x:", KeyboardInterrupt(signal.SIGTERM)])))


@pytest.mark.parametrize("begun", [[], ["if x:"], [":{", "x"]])
def test_the_end_of_input_is_raised(begun: list[str]) -> None:
    with pytest.raises(EOFError):
        read_input(typing(iter([*begun, EOFError()])))
