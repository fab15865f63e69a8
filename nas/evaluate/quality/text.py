"""Quality reports and comparison tables as lines of text, in which a model's output cannot control the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from nas.cli import printable
from nas.evaluate.quality.comparison import Comparison, Table
from nas.evaluate.quality.protocols import MIN_COMPLETION_TOKENS, PROTOCOLS
from nas.evaluate.quality.report import Example, QualityReport

_EXAMPLE_CHARACTERS = 90
_MAX_HEALTHY_RATE = 0.1
_MAX_INTERVAL_WIDTH = 0.4
"""A wider interval can reach from a healthy rate to a majority, so it supports no conclusion."""
_UNKNOWN_PROTOCOL = "completions as given"
_COLUMNS = ("params", "vocab", "n", "collapse", "origin failure", "keywords", "repetition", "junk", "syntax")


def input_line(report: QualityReport) -> str:
    """Return the line that says where the completions come from."""
    model = "" if report.num_params is None else f", {report.num_params:,} parameters, vocabulary {report.vocab_size:,}"
    return f"{report.input}{model}"


def report_lines(report: QualityReport) -> list[str]:
    """Return the report in the order of the origin's: protocol, categories, figures, patterns, examples."""
    return [
        *_heading(report),
        "",
        *_distribution(report),
        "",
        *_figures(report),
        "",
        *_patterns(report),
        "",
        *(line for example in report.examples for line in _example(example)),
        f"conclusion      {conclusion(report)}",
    ]


def conclusion(report: QualityReport) -> str:
    """Return in one line what the intervals of the collapse rate and of the junk rate allow to conclude."""
    low, high = report.collapse_rate_interval
    if report.is_collapsed:
        state = "collapsed"
    elif report.is_junk:
        state = "token soup"
    elif high < _MAX_HEALTHY_RATE:
        state = "rarely collapses"
    elif not report.collapse_rate or high - low > _MAX_INTERVAL_WIDTH:
        state = "too few completions to tell"
    else:
        state = "partly collapses"
    collapsed = _with_interval(report.collapse_rate, report.collapse_rate_interval).lstrip()
    return (
        f"{state}: the detector finds {collapsed} collapsed, the origin's categories count {report.failure_rate:.1%} "
        "as failed"
    )


def table_lines(table: Table) -> list[str]:
    """Return one line per input of a table, then the tests of each pair."""
    cells = [("input", *_COLUMNS), *(_row(evaluation.report) for evaluation in table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    pairs = [line for comparison in table.comparisons for line in ("", *_comparison(comparison))]
    return [_protocol(table.protocol), *lines, *pairs]


def _heading(report: QualityReport) -> list[str]:
    lines = [f"{_protocol(report.protocol)}; {report.n} completions"]
    if report.left_out:
        num_prompts = report.n + report.left_out
        reason = f"max_seq_length has no room for {MIN_COMPLETION_TOKENS} tokens after them"
        lines.append(f"left out        {report.left_out} of {num_prompts} prompts: {reason}")
    if report.cut_short:
        lines.append(f"cut short       {report.cut_short} completions, by max_seq_length")
    return lines


def _protocol(name: str | None) -> str:
    if name is None:
        return _UNKNOWN_PROTOCOL
    protocol = PROTOCOLS[name]
    sampling = protocol.sampling
    sampled = f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, top-k {sampling.top_k}"
    limit = f"{protocol.max_bytes} bytes" if protocol.max_bytes else f"{protocol.max_tokens} tokens"
    return f"{name}: {'the most likely token each time' if sampling.is_greedy else sampled}, {limit}"


def _distribution(report: QualityReport) -> list[str]:
    ordered = sorted(report.categories.items(), key=lambda item: -item[1].count)
    failed = sum(report.categories[name].count for name in ("repetitive", "mode_collapse"))
    rows = [(name, share.count, share.rate, share.interval) for name, share in ordered]
    rows.append(("total failure", failed, report.failure_rate, report.failure_rate_interval))
    lines = [f"{name:<15} {count:>5}  {_with_interval(rate, interval)}" for name, count, rate, interval in rows]
    return ["Quality distribution, by the origin's categories", *lines]


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
        lines.append("valid Python    unknown: no prompt is known that can begin a file")
    else:
        scope = f"  of {report.syntax_n} completions whose prompt can begin a file"
        lines.append(f"valid Python    {_with_interval(report.syntax_rate, report.syntax_rate_interval)}{scope}")
    lines.append(f"repetition      {_percent(report.repetition_ratio)}  mean share of the most common character")
    return [*lines, f"distinct        {report.distinct_characters:6.1f}  mean number of different characters"]


def _patterns(report: QualityReport) -> list[str]:
    lines = [
        f"{place}. {printable(repr(pattern.pattern)):<28} {pattern.count:>5}  {_percent(pattern.rate)}"
        for place, pattern in enumerate(report.failure_patterns, start=1)
    ]
    return ["Most common failure patterns", *(lines or ["none"])]


def _example(example: Example) -> list[str]:
    prompt = "unknown" if example.prompt is None else _quoted(example.prompt)
    collapse = f", collapsed: {example.rule}" if example.rule else ""
    return [
        f"prompt          {prompt}",
        f"output          {_quoted(example.completion)}",
        f"                {example.category}{collapse}; {example.distinct_characters} distinct characters, "
        f"{example.repetition_ratio:.0%} repetition",
        "",
    ]


def _quoted(text: str) -> str:
    cut = text[:_EXAMPLE_CHARACTERS]
    return printable(repr(cut)) + ("..." if cut != text else "")


def _row(report: QualityReport) -> tuple[str, ...]:
    rates = (report.collapse_rate, report.failure_rate, report.keyword_rate, report.repetition_ratio, report.junk_rate)
    sizes = ["-" if size is None else f"{size:,}" for size in (report.num_params, report.vocab_size)]
    syntax = "-" if report.syntax_rate is None else f"{report.syntax_rate:.1%}"
    return (report.input, *sizes, str(report.n), *(f"{rate:.1%}" for rate in rates), syntax)


def _comparison(comparison: Comparison) -> Sequence[str]:
    pair = f"{comparison.first} against {comparison.other}"
    difference, collapse_p, repetition_p = (
        comparison.repetition_difference,
        comparison.collapse_p,
        comparison.repetition_p,
    )
    if difference is None or collapse_p is None or repetition_p is None:
        return [f"{pair}: not paired: {comparison.not_paired}"]
    return [
        f"{pair}: {comparison.num_pairs} completions of the same prompts",
        f"  collapse      only the first {comparison.only_first}, only the other {comparison.only_other}; "
        f"McNemar p {_p_value(collapse_p)}",
        f"  repetition    the other's minus the first's {difference:+.4f}; sign-flip p {_p_value(repetition_p)}",
    ]


def _p_value(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"


def _percent(rate: float) -> str:
    return f"{rate:6.1%}"


def _with_interval(rate: float, interval: tuple[float, float]) -> str:
    return f"{_percent(rate)} [{interval[0]:.1%}, {interval[1]:.1%}]"
