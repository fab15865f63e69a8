from __future__ import annotations

import pytest

from nas.errors import UsageError
from nas.play.session import Session
from nas.play.settings import Settings
from tests.helpers.fixed_model import END, fixed_model

Capture = pytest.CaptureFixture[str]


def session(logits: dict[str, float] | None = None, max_seq_length: int = 300, **settings: int) -> Session:
    model = fixed_model(logits or {"a": 0.0, "b": 0.0}, max_seq_length)
    return Session(model, Settings(max_bytes=8, **settings), edits_lines=False)


def test_the_completion_is_shown_behind_the_prompt_s_last_line(capsys: Capture) -> None:
    one = session()
    one.answer("if x:\n    y = \x07")
    expected = one.model.complete("if x:\n    y = \x07", max_bytes=8)
    assert capsys.readouterr() == (f"    y = \\x07{expected}\n", "")
    assert (one.prompt, one.text) == ("if x:\n    y = \x07", expected)


@pytest.mark.parametrize("typed", ["", None])
def test_an_empty_line_is_nothing(typed: str | None, capsys: Capture) -> None:
    session().answer(typed)
    assert capsys.readouterr() == ("", "")


def test_more_goes_on_with_prompt_and_completion_and_again_with_the_prompt_and_the_next_seed(capsys: Capture) -> None:
    one = session()
    one.answer("x")
    first = one.text
    one.answer(":more")
    assert one.prompt == f"x{first}"
    assert capsys.readouterr().out.endswith(f"\nx{first}{one.text}\n")
    one.answer(":again")
    assert one.prompt == f"x{first}"
    assert one.settings.seed == 1
    assert one.text == one.model.complete(one.prompt, max_bytes=8, seed=1)


@pytest.mark.parametrize("command", [":more", ":again"])
def test_without_a_prompt_there_is_nothing_to_go_on_with(command: str) -> None:
    with pytest.raises(UsageError, match="there is no prompt yet"):
        session().answer(command)


@pytest.mark.parametrize("typed", [":mroe", ":", ": x"])
def test_an_unknown_command_is_one_line(typed: str) -> None:
    with pytest.raises(UsageError, match=r"unknown command .*; :help says more"):
        session().answer(typed)


def test_a_prompt_without_room_is_cut_and_that_is_said(capsys: Capture) -> None:
    session(max_seq_length=30).answer("x" * 100)
    assert capsys.readouterr().err == "the prompt is too long for this model's 30 tokens: its first 78 were left out\n"


def test_a_completion_that_the_models_length_ends_is_said_to_be_cut(capsys: Capture) -> None:
    one = session(max_seq_length=12)
    one.answer("x" * 6)
    assert capsys.readouterr() == (
        f"{'x' * 6}{one.text}\n", "stopped before max_bytes 8: the text fills this model's 12 tokens\n",
    )  # fmt: skip
    assert len(one.text) == 6
    one.answer("x")
    assert len(one.text) == 8
    assert capsys.readouterr().err == ""


def test_what_is_no_text_is_refused_and_the_last_prompt_stays() -> None:
    one = session()
    one.answer("x")
    with pytest.raises(UsageError, match="not UTF-8"):
        one.answer("\udcff")
    assert one.prompt == "x"


def test_a_text_that_the_model_ended_can_be_gone_on_with(capsys: Capture) -> None:
    one = session({END: 0.0})
    one.answer("x")
    one.answer(":more")
    assert capsys.readouterr().out == "x\nx\n"
