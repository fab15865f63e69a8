from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from nas.report.study.live import LiveTable
from tests.helpers.report_studies import ended, trial


def plain() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=40)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=40, _environ={"TERM": "xterm"})


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_off_a_terminal_each_event_is_one_plain_line() -> None:
    console = plain()
    with LiveTable(10, [trial(3, 1.9, 0.0, 0.1)], console=console) as live:
        live.phase("reading the corpus")
        live.trial_started(7, "L2 H96")
        live.trial_ended(trial(7, 2.013, 0.02, 0.04))
        live.trial_ended(ended(8, "over_limit", "too\nlarge [bold]by 3%[/bold]"))
    best, then = "best 2.000 (trial 3)", "then the verdict"
    words = "L2 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied"
    # Fitness of trial 3 is 1.9 + 0.1; 8 of 10 remain at a median of 60 s on one worker, then 7.
    assert written(console).splitlines() == [
        "reading the corpus",
        "trial 7  started  L2 H96",
        f"trial 7  {words}  val_bpb 2.013  novel 2.263  collapse 0.04  fitness 2.053  {best}  ETA 8 min, {then}",
        f"trial 8  {words.replace('L2', 'L6')}  pruned: too large [bold]by 3%[/bold]  {best}  ETA 7 min, {then}",
    ]


def test_the_time_left_is_shared_by_the_workers_seen() -> None:
    console = plain()
    with LiveTable(11, [], console=console) as live:
        live.trial_started(0, "a")
        live.trial_started(1, "b")
        live.trial_ended(trial(0, 2.0, 0, 0))
    assert written(console).splitlines()[-1].endswith("ETA 5 min, then the verdict")


def test_without_a_budget_there_is_no_time_left() -> None:
    console = plain()
    with LiveTable(None, [], console=console) as live:
        live.trial_ended(trial(0, 2.0, 0, 0))
    assert "ETA" not in written(console)


@pytest.mark.parametrize("make", [plain, terminal])
def test_quiet_prints_nothing(make: Callable[[], Console]) -> None:
    console = make()
    with LiveTable(3, [], console=console, quiet=True) as live:
        live.phase("training")
        live.trial_started(0, "a")
        live.trial_ended(trial(0, 2.0, 0, 0))
    assert written(console) == ""


def test_the_table_shows_running_ended_failed_and_the_best() -> None:
    live = LiveTable(20, [trial(0, 1.5, 0.0, 0.0)], console=terminal())
    for number in range(1, 13):
        live.trial_ended(trial(number, 2.0 + number / 100, 0.0, 0.0))
    live.trial_ended(ended(13, "fault", "out of memory [red]"))
    live.trial_started(14, "L9 H512")
    console = Console(file=io.StringIO(), width=140)
    console.print(live.render())
    lines = written(console).splitlines()
    assert lines[0].startswith("14/20 trials  elapsed 0 s  best 1.500 (trial 0)  ETA 6 min, then the verdict")
    assert [line.split()[0] for line in lines[2:]] == [str(n) for n in (0, *range(4, 15))], "the best, the last ten"
    assert "failed: out of memory [red]" in lines[-2]
    assert "L9 H512" in lines[-1] and "running" in lines[-1]


def test_an_exception_restores_the_terminal() -> None:
    console = terminal()
    with pytest.raises(KeyboardInterrupt), LiveTable(3, [], console=console) as live:
        live.phase("training")
        raise KeyboardInterrupt
    output = written(console)
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l"), "the cursor is shown again"
    console.print("after")
    assert written(console).endswith("after\n")


def test_a_narrow_terminal_shortens_the_architecture_and_keeps_the_numbers() -> None:
    live = LiveTable(20, [trial(11, 1.5, 0.0, 0.1)], console=terminal())
    live.trial_started(12, "L9 H512 " * 10)
    console = Console(file=io.StringIO(), width=60)
    console.print(live.render())
    ended_line, running_line = written(console).splitlines()[2:]
    assert ended_line.split()[0] == "11"
    assert ended_line.split()[-4:] == ["1.500", "1.750", "0.100", "1.600"]
    assert "…" in running_line
    assert running_line.split()[-3:] == ["running", "0", "s"]
