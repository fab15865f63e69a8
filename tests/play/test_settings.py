from __future__ import annotations

import pytest

from nas.errors import UsageError
from nas.play.settings import READERS, Settings
from tests.helpers.fixed_model import fixed_model


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0", 0.0),
        ("top_p", "0.5", 0.5),
        ("top-p", "1", 1.0),
        ("top_k", "0", 0),
        ("max_bytes", "1e3", 1000),
        ("max-bytes", "7", 7),
        ("seed", "-3", -3),
    ],
)
def test_a_setting_is_changed_by_its_name_and_text_and_the_others_stay(name: str, text: str, value: float) -> None:
    before = Settings(top_k=3, stop=("x",))
    after = before.changed(name, text)
    field = name.replace("-", "_")
    assert getattr(after, field) == value
    assert type(getattr(after, field)) is type(value)
    assert {one for one in [*READERS, "stop"] if getattr(after, one) != getattr(before, one)} == {field}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("temprature", "1", "unknown setting 'temprature'; did you mean 'temperature'?"),
        ("stop", "x", "unknown setting 'stop'"),
        ("temperature", "", "temperature is a number, found ''"),
        ("top-p", "2", "top_p must be above 0 and at most 1, found 2.0"),
        ("top_k", "-1", "top_k is a whole number of at least 0, found '-1'"),
        ("max_bytes", "0", "max_bytes is a whole number of at least 1, found '0'"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings().changed(name, text)
    assert message in str(caught.value)


def test_they_are_described_in_the_words_that_change_them() -> None:
    assert (
        Settings(temperature=1.0, seed=1234567890).describe()
        == "temperature 1.0, top_p 0.9, top_k 40, max_bytes 200, seed 1234567890"
    )


def test_they_are_those_of_the_completion() -> None:
    model = fixed_model({"a": 0.0, "b": 0.0, "c": -1.0})
    settings = Settings(temperature=1.2, top_p=0.95, top_k=3, max_bytes=50, seed=9, stop=("ccc",))
    expected = model.complete("x", temperature=1.2, top_p=0.95, top_k=3, max_bytes=50, seed=9, stop=["ccc"])
    assert "".join(settings.stream(model, "x")) == expected
