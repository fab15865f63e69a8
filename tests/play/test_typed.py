from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from nas.play.typed import FIRST, MORE, goes_on, read_typed


def typing(lines: Iterator[str | BaseException]) -> Callable[[str], str]:
    def ask(prompt: str) -> str:
        line = next(lines)
        if isinstance(line, BaseException):
            raise line
        return line

    return ask


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
def test_one_line_is_sent_and_what_it_opens_goes_on_to_an_empty_line(lines: list[str], expected: str) -> None:
    waiting = iter([*lines, "the next input"])
    assert read_typed(typing(waiting)) == expected
    assert next(waiting) == "the next input"


@pytest.mark.parametrize("line", ["if x:", "if x: ", "f(", "[", "{", "f(a,", "x = \\", "\tx", " x", "@a"])
def test_a_line_that_opens_more_or_is_indented_goes_on(line: str) -> None:
    assert goes_on(line)


@pytest.mark.parametrize("line", ["", "x", "x = 1", "f()", "def f(): pass"])
def test_any_other_line_is_whole(line: str) -> None:
    assert not goes_on(line)


def test_the_first_line_has_another_prompt_than_those_after_it() -> None:
    asked = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "" if len(asked) == 3 else "if x:"

    read_typed(ask)
    assert asked == [FIRST, MORE, MORE]


def test_ctrl_c_drops_an_input_that_has_begun_and_is_the_caller_s_at_its_beginning() -> None:
    assert read_typed(typing(iter(["if x:", KeyboardInterrupt()]))) is None
    assert read_typed(typing(iter([":{", "x", KeyboardInterrupt()]))) is None
    with pytest.raises(KeyboardInterrupt):
        read_typed(typing(iter([KeyboardInterrupt()])))
    with pytest.raises(KeyboardInterrupt):
        read_typed(typing(iter(["if x:", KeyboardInterrupt(signal.SIGTERM)])))


@pytest.mark.parametrize("begun", [[], ["if x:"], [":{", "x"]])
def test_the_end_of_input_is_the_caller_s(begun: list[str]) -> None:
    with pytest.raises(EOFError):
        read_typed(typing(iter([*begun, EOFError()])))
