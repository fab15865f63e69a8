"""Reports and tables of quality as lines of text; what a model wrote is shown so that a terminal cannot be moved."""

from __future__ import annotations

from collections.abc import Sequence

from nas.cli import printable
from nas.evaluate.quality.comparison import Comparison, Table
from nas.evaluate.quality.protocols import MIN_ROOM, PROTOCOLS
from nas.evaluate.quality.report import Example, QualityReport

_EXAMPLE_CHARACTERS = 90
_RARELY = 0.1
_WIDEST = 0.4
"""Of an interval that a verdict between rarely and most can be read from: the distance of the two."""
_COLUMNS = ("params", "vocab", "n", "collapse", "seed failure", "keywords", "repetition", "junk", "syntax")


def input_line(report: QualityReport) -> str:
    """Where the completions are from."""
    known = "" if report.num_params is None else f", {report.num_params:,} parameters, vocabulary {report.vocab_size:,}"
    return f"{report.input}{known}"


def report_lines(report: QualityReport) -> list[str]:
    """One protocol, in the order of the origin's report: how it was asked, categories, figures, patterns, examples."""
    return [
        *_heading(report),
        "",
        *_distribution(report),
        "",
        *_figures(report),
        "",
        *_patterns(report),
        "",
        *(line for one in report.examples for line in _example(one)),
        f"verdict         {verdict(report)}",
    ]


def verdict(report: QualityReport) -> str:
    """One line: what the interval of the collapse rate, and of token soup, lets us say."""
    if report.is_collapsed:
        word = "collapsed"
    elif report.is_junk:
        word = "token soup"
    elif report.collapse_rate_interval[1] < _RARELY:
        word = "hardly collapses"
    elif not report.collapse_rate or _width(report.collapse_rate_interval) > _WIDEST:
        word = "too few completions to tell"
    else:
        word = "collapses in part"
    collapsed = _with_interval(report.collapse_rate, report.collapse_rate_interval).lstrip()
    return f"{word}: by the detector {collapsed} collapsed, by the origin's categories {report.failure_rate:.1%} failed"


def _width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def table_lines(table: Table) -> list[str]:
    """The inputs of a table under one another, then each pair's tests."""
    cells = [("input", *_COLUMNS), *(_row(one.report) for one in table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    title = _settings(table.protocol) if table.protocol else "completions as they are"
    return [title, *lines, *(line for one in table.comparisons for line in ("", *_comparison(one)))]


def _heading(report: QualityReport) -> list[str]:
    asked = _settings(report.protocol) if report.protocol else "completions as they are"
    lines = [f"{asked}; {report.n} completions"]
    if report.left_out:
        asked_for = report.n + report.left_out
        why = f"max_seq_length has no room for {MIN_ROOM} tokens after them"
        lines.append(f"left out        {report.left_out} of {asked_for} prompts: {why}")
    if report.cut_short:
        lines.append(f"cut short       {report.cut_short} completions, by max_seq_length")
    return lines


def _settings(name: str) -> str:
    protocol = PROTOCOLS[name]
    sampling = protocol.sampling
    drawn = f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, top-k {sampling.top_k}"
    limit = f"{protocol.max_bytes} bytes" if protocol.max_bytes else f"{protocol.max_tokens} tokens"
    return f"{name}: {'the likeliest token each time' if sampling.is_greedy else drawn}, {limit}"


def _distribution(report: QualityReport) -> list[str]:
    ordered = sorted(report.categories.items(), key=lambda item: -item[1].count)
    failed = sum(report.categories[name].count for name in ("repetitive", "mode_collapse"))
    rows = [(name, one.count, one.rate, one.interval) for name, one in ordered]
    rows.append(("total failure", failed, report.failure_rate, report.failure_rate_interval))
    shown = [f"{name:<15} {count:>5}  {_with_interval(rate, interval)}" for name, count, rate, interval in rows]
    return ["Quality distribution, by the origin's categories", *shown]


def _figures(report: QualityReport) -> list[str]:
    rules = ", ".join(f"{rule} {count}" for rule, count in report.collapse_rules.items())
    rates = [
        ("collapse", report.collapse_rate, report.collapse_rate_interval, rules),
        ("keywords", report.keyword_rate, report.keyword_rate_interval, ""),
        ("operators", report.operator_rate, report.operator_rate_interval, ""),
        ("parentheses", report.parenthesis_rate, report.parenthesis_rate_interval, ""),
        ("junk", report.junk_rate, report.junk_rate_interval, ""),
    ]
    lines = ["Key figures"]
    lines += [f"{name:<15} {_with_interval(rate, interval)}  {note}".rstrip() for name, rate, interval, note in rates]
    if report.syntax_rate is None or report.syntax_rate_interval is None:
        lines.append("Python so far   no prompt is known that can begin a file")
    else:
        over = f"  of {report.syntax_n} whose prompt can begin a file"
        lines.append(f"Python so far   {_with_interval(report.syntax_rate, report.syntax_rate_interval)}{over}")
    lines.append(f"repetition      {_percent(report.repetition_ratio)}  mean share of the most common character")
    return [*lines, f"distinct        {report.distinct_characters:6.1f}  mean number of different characters"]


def _patterns(report: QualityReport) -> list[str]:
    shown = [
        f"{place}. {printable(repr(one.pattern)):<28} {one.count:>5}  {_percent(one.rate)}"
        for place, one in enumerate(report.failure_patterns, start=1)
    ]
    return ["Most common failure patterns", *(shown or ["none"])]


def _example(example: Example) -> list[str]:
    prompt = "not told" if example.prompt is None else _quoted(example.prompt)
    called = f", collapsed: {example.rule}" if example.rule else ""
    return [
        f"prompt          {prompt}",
        f"output          {_quoted(example.completion)}",
        f"                {example.category}{called}; {example.distinct_characters} distinct characters, "
        f"{example.repetition_ratio:.0%} repetition",
        "",
    ]


def _quoted(text: str) -> str:
    cut = text[:_EXAMPLE_CHARACTERS]
    return printable(repr(cut)) + ("..." if cut != text else "")


def _row(report: QualityReport) -> tuple[str, ...]:
    rates = (report.collapse_rate, report.failure_rate, report.keyword_rate, report.repetition_ratio, report.junk_rate)
    known = ["-" if one is None else f"{one:,}" for one in (report.num_params, report.vocab_size)]
    syntax = "-" if report.syntax_rate is None else f"{report.syntax_rate:.1%}"
    return (report.input, *known, str(report.n), *(f"{one:.1%}" for one in rates), syntax)


def _comparison(one: Comparison) -> Sequence[str]:
    pair = f"{one.first} against {one.other}"
    if one.collapse_p is None or one.repetition_p is None or one.repetition_difference is None:
        return [f"{pair}: not paired: {one.not_paired}"]
    return [
        f"{pair}: {one.num_pairs} completions of the same prompts",
        f"  collapse      only the first {one.only_first}, only the other {one.only_other}; "
        f"McNemar p {_p(one.collapse_p)}",
        f"  repetition    the other's less the first's {one.repetition_difference:+.4f}; "
        f"sign-flip p {_p(one.repetition_p)}",
    ]


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"


def _percent(rate: float) -> str:
    return f"{rate:6.1%}"


def _with_interval(rate: float, interval: tuple[float, float]) -> str:
    return f"{_percent(rate)} [{interval[0]:.1%}, {interval[1]:.1%}]"
