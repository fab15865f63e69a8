from __future__ import annotations

import re

import pytest

from nas.errors import UsageError
from nas.play.session import Session
from nas.play.settings import Settings
from tests.helpers.fixed_model import END, fixed_model

Capture = pytest.CaptureFixture[str]


def session(logits: dict[str, float] | None = None, max_seq_length: int = 300, **settings: int) -> Session:
    model = fixed_model(logits or {"a": 0.0, "b": 0.0}, max_seq_length)
    return Session(model, Settings(max_bytes=8, **settings), edits_lines=False)


def test_the_completion_follows_the_last_line_of_the_prompt(capsys: Capture) -> None:
    chat = session()
    chat.answer("if x:\n    y = \x07")
    expected = chat.model.complete("if x:\n    y = \x07", max_bytes=8)
    assert capsys.readouterr() == (f"    y = \\x07{expected}\n", "")
    assert (chat.prompt, chat.text) == ("if x:\n    y = \x07", expected)


@pytest.mark.parametrize("typed", ["", None])
def test_an_empty_line_is_ignored(typed: str | None, capsys: Capture) -> None:
    session().answer(typed)
    assert capsys.readouterr() == ("", "")


def test_more_continues_the_completion_and_again_repeats_the_prompt_with_the_next_seed(capsys: Capture) -> None:
    chat = session()
    chat.answer("x")
    first = chat.text
    chat.answer(":more")
    assert chat.prompt == f"x{first}"
    assert capsys.readouterr().out.endswith(f"\nx{first}{chat.text}\n")
    chat.answer(":again")
    assert chat.prompt == f"x{first}"
    assert chat.settings.seed == 1
    assert chat.text == chat.model.complete(chat.prompt, max_bytes=8, seed=1)


@pytest.mark.parametrize("command", [":more", ":again"])
def test_without_a_prompt_there_is_nothing_to_continue(command: str) -> None:
    with pytest.raises(UsageError, match="there is no prompt yet"):
        session().answer(command)


@pytest.mark.parametrize("typed", [":mroe", ":", ": x"])
def test_an_unknown_command_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match=r"unknown command .*; :help"):
        session().answer(typed)


def test_a_prompt_without_room_is_cut_and_reported(capsys: Capture) -> None:
    session(max_seq_length=30).answer("x" * 100)
    assert re.search(r"\b30 tokens.*\b78\b", capsys.readouterr().err)


def test_a_completion_that_the_models_length_ends_is_reported(capsys: Capture) -> None:
    chat = session(max_seq_length=12)
    chat.answer("x" * 6)
    assert capsys.readouterr() == (
        f"{'x' * 6}{chat.text}\n", "stopped before max_bytes 8: the text fills this model's 12 tokens\n",
    )  # fmt: skip
    assert len(chat.text) == 6
    chat.answer("x")
    assert len(chat.text) == 8
    assert capsys.readouterr().err == ""


def test_invalid_text_is_refused_and_the_last_prompt_stays() -> None:
    chat = session()
    chat.answer("x")
    with pytest.raises(UsageError, match="not UTF-8"):
        chat.answer("\udcff")
    assert chat.prompt == "x"


def test_a_text_that_the_model_ended_can_be_continued(capsys: Capture) -> None:
    chat = session({END: 0.0})
    chat.answer("x")
    chat.answer(":more")
    assert capsys.readouterr().out == "x\nx\n"
