from __future__ import annotations

import pytest

from nas.errors import UsageError
from nas.play.settings import PARSERS, Settings
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
    after = before.with_value(name, text)
    field = name.replace("-", "_")
    assert getattr(after, field) == value
    assert type(getattr(after, field)) is type(value)
    assert {name for name in [*PARSERS, "stop"] if getattr(after, name) != getattr(before, name)} == {field}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("temprature", "1", "unknown setting 'temprature'; did you mean 'temperature'?"),
        ("stop", "x", "unknown setting 'stop'"),
        ("temperature", "", "temperature must be a number, found ''"),
        ("top-p", "2", "top_p must be above 0 and at most 1, found 2.0"),
        ("top_k", "-1", "top_k must be a whole number of at least 0, found '-1'"),
        ("max_bytes", "0", "max_bytes must be a whole number of at least 1, found '0'"),
    ],
)
def test_an_invalid_setting_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings().with_value(name, text)
    assert message in str(caught.value)


def test_the_description_has_the_form_that_changes_settings() -> None:
    assert (
        Settings(temperature=1.0, seed=1234567890).describe()
        == "temperature 1.0, top_p 0.9, top_k 40, max_bytes 200, seed 1234567890"
    )


def test_the_settings_are_those_of_the_completion() -> None:
    model = fixed_model({"a": 0.0, "b": 0.0, "c": -1.0})
    settings = Settings(temperature=1.2, top_p=0.95, top_k=3, max_bytes=50, seed=9, stop=("ccc",))
    expected = model.complete("x", temperature=1.2, top_p=0.95, top_k=3, max_bytes=50, seed=9, stop=["ccc"])
    assert "".join(settings.stream(model, "x")) == expected
