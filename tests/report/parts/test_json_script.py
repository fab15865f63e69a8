from __future__ import annotations

import json

import pytest

from nas.report.parts.json_script import json_script


def test_nothing_in_the_data_ends_the_element() -> None:
    data = {"</script><!--": "<img>&\u2028\u2029\U0001f600"}
    written = json_script("name", data)
    inside = written.removeprefix('<script type="application/json" id="name">').removesuffix("</script>")
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == data


def test_a_figure_that_json_has_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_script("name", float("nan"))
