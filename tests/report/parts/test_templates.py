from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest
from jinja2 import Template, UndefinedError
from markupsafe import Markup

from nas.report.parts import templates
from nas.report.parts.chart import chart
from nas.report.parts.key_values import groups
from nas.report.parts.tables import Cell, Table
from nas.report.parts.words import MISSING, Tile

HOSTILE = "</script></pre></td><img src=x onerror=\"alert('run')\">\u202e & \x00"
SHOWN = HOSTILE.replace("\u202e", "\\u202e").replace("\x00", "\N{SYMBOL FOR NULL}")


class Elements(HTMLParser):
    """Tags with their attributes, and text, of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def written() -> Callable[..., str]:
    """Return the output of a macro call."""

    def write(call: str, **context: object) -> str:
        source = f'{{% import "macros.html.jinja" as m %}}{call}'
        template: Template = templates._environment().from_string(source)
        return template.render(**context)

    return write


@pytest.mark.parametrize(
    "call",
    [
        "{{ hostile }}",
        "{{ m.code(hostile, hostile) }}",
        "{{ m.command(hostile) }}",
        "{{ m.tiles([tile]) }}",
        "{{ m.table(table) }}",
        "{% call m.section(hostile) %}{{ hostile }}{% endcall %}",
        "{% call m.details(hostile) %}{{ hostile }}{% endcall %}",
        "{{ m.provenance(groups) }}",
        "{{ m.json('x', json) }}",
    ],
)
def test_hostile_text_stays_text(written: Callable[..., str], call: str) -> None:
    html = written(
        call,
        hostile=HOSTILE,
        tile=Tile(HOSTILE, HOSTILE, HOSTILE),
        table=Table((HOSTILE,), [(HOSTILE, [Cell(HOSTILE, tags=(HOSTILE,))])], label=HOSTILE),
        groups=groups({HOSTILE: {HOSTILE: HOSTILE}}),
        json=templates.json_data({HOSTILE: HOSTILE}),
    )
    elements = Elements(html)
    assert "img" not in [tag for tag, _ in elements.tags]
    assert not {"onerror", "src"} & {name for _, attributes in elements.tags for name in attributes}
    assert not set("\x00\u202e") & set(html)
    assert json.loads(elements.text) == {HOSTILE: HOSTILE} if "json" in call else SHOWN in elements.text


def test_code_keeps_the_line_feeds_of_a_text(written: Callable[..., str]) -> None:
    assert written("{{ m.code(words) }}", words="\n  a\n\n") == '<pre class="code">\n\n  a\n\n</pre>'


def test_a_table_says_what_its_columns_sort_by(written: Callable[..., str]) -> None:
    table = Table.long(("a", "b"), [("best", [Cell("1.50", 1.5, "n"), Cell(MISSING)]), ("", [Cell("x")])], ("a",), "T")
    tags = Elements(written("{{ m.table(t) }}", t=table)).tags
    assert [attributes for tag, attributes in tags if tag == "td"] == [
        {"class": "n", "data-value": "1.5"},
        {"data-value": ""},
        {},
    ]
    assert [attributes for tag, attributes in tags if tag == "th"] == [{"class": "n"}, {}]
    assert [attributes for tag, attributes in tags if tag in ("tr", "div")][::2] == [
        {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "T"},
        {"class": "best"},
    ]


def test_contents_are_the_sections_of_a_page_of_three_or_more(written: Callable[..., str]) -> None:
    def sections(number: int) -> str:
        return "".join(f"{{% call m.section('Part {name} & <b>') %}}x{{% endcall %}}" for name in range(number))

    assert templates.headings(written(sections(2))) == []
    assert templates.headings(written(sections(3)))[2] == ("part-2-b", Markup("Part 2 &amp; &lt;b&gt;"))


def test_a_name_that_the_context_lacks_is_an_error(written: Callable[..., str]) -> None:
    with pytest.raises(UndefinedError, match="absent"):
        written("{{ absent }}")


def test_a_figure_is_data_with_a_ring_for_the_selected_trial() -> None:
    shown = chart(go.Figure(layout={"height": 300, "title": {"text": "</script>"}}), "front", "The front")
    assert (shown.id, shown.height) == ("front", 300)
    assert "</" not in shown.json
    assert [trace["meta"] for trace in json.loads(shown.json)["data"]] == ["ring"]


def test_no_text_in_the_data_ends_the_element() -> None:
    data = {"</script><!--": "<img>&\u2028\u2029\U0001f600"}
    written = templates.json_data(data)
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == data


def test_a_number_that_json_cannot_hold_is_an_error() -> None:
    with pytest.raises(ValueError, match="JSON"):
        templates.json_data(float("nan"))


def test_special_characters_of_markdown_are_escaped() -> None:
    assert templates.markdown_text("a|b\n*c* <d> \x1b") == "a\\|b \\*c\\* \\<d\\> ␛"
