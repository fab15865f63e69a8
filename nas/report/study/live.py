"""The progress of a search while it runs: a table on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nas.records.trial import RungResult, TrialRecord, completed
from nas.report.parts.words import MISSING, duration, fixed, title, visible

ENDED_SHOWN = 10


class LiveTable:
    """A context manager around a search that shows its progress.

    `budget` is the total number of trials, or None without a limit; `done` are those that ended in earlier runs.
    On exit, also by an exception, the last table stays on the terminal and the cursor is visible again.
    """

    def __init__(
        self, budget: int | None, done: Sequence[TrialRecord], *, console: Console, quiet: bool = False
    ) -> None:
        self._budget = budget
        self._ended = list(done)
        self._running: dict[int, tuple[str, float]] = {}
        self._workers = 1
        self._phase = ""
        self._began = time.monotonic()
        self._console = console
        self._quiet = quiet
        on_terminal = console.is_terminal and not console.is_dumb_terminal and not quiet
        self._live = (
            Live(console=console, get_renderable=self.render, refresh_per_second=2, redirect_stdout=not console.stderr)
            if on_terminal
            else None
        )

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._live:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def phase(self, text: str) -> None:
        """Show what happens now, such as `reading the corpus`."""
        self._phase = text
        self._say(text)

    def trial_started(self, number: int, description: str) -> None:
        self._running[number] = (description, time.monotonic())
        self._workers = max(self._workers, len(self._running))
        self._say(f"trial {number}  started  {description}")

    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None:
        if num_rungs == 1:
            return
        parts = [f"trial {number}", f"rung {result.rung + 1} of {num_rungs}", f"val_bpb {fixed(result.val_bpb)}"]
        parts += [f"collapse {fixed(result.collapse_rate, 2)}", f"fitness {fixed(result.fitness)}"]
        self._say("  ".join(parts))

    def trial_ended(self, record: TrialRecord) -> None:
        self._running.pop(record.number, None)
        self._ended.append(record)
        self._say("  ".join(self._line(record)))

    def render(self) -> RenderableType:
        """Return the table as it is now: header, the best, the trials that ended last, running trials."""
        best = self._best()
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("trial", justify="right", no_wrap=True)
        table.add_column("architecture")  # the only column that is shortened on a narrow terminal
        for name in ("val_bpb", "novel", "collapse", "fitness"):
            table.add_column(name, justify="right", no_wrap=True)
        shown = self._ended[-ENDED_SHOWN:]
        if best and best not in shown:
            shown = [best, *shown]
        for record in shown:
            style = "bold green" if record is best else "" if record.is_complete else "dim"
            table.add_row(*_ended_row(record), style=style)
        for number, (description, since) in list(self._running.items()):
            elapsed = duration(time.monotonic() - since)
            table.add_row(str(number), _one_line(description), "running", elapsed, "", "", style="cyan")
        header = Text("  ".join(self._header()), style="bold", no_wrap=True, overflow="ellipsis")
        return Group(header, table) if shown or self._running else header

    def _header(self) -> list[str]:
        budget = f"/{self._budget}" if self._budget is not None else ""
        parts = [f"{len(self._ended)}{budget} trials", f"elapsed {duration(time.monotonic() - self._began)}"]
        best = self._best()
        parts += [f"best {fixed(best.fitness)} ({title(best)})"] if best else []
        eta = self._eta()
        parts += [f"ETA {eta}, then the verdict"] if eta else []
        return parts + ([visible(self._phase)] if self._phase and not self._running else [])

    def _line(self, record: TrialRecord) -> list[str]:
        """Return the parts of the plain line of an ended trial."""
        parts = [title(record), record.architecture.describe()]
        if record.is_complete:
            parts += [f"val_bpb {fixed(record.val_bpb)}", f"novel {fixed(record.val_novel_bpb)}"]
            parts += [f"collapse {fixed(record.collapse_rate, 2)}"]
            parts += [f"fitness {fixed(record.fitness)}"]
        else:
            parts.append(_failure(record))
        best = self._best()
        parts += [f"best {fixed(best.fitness)} ({title(best)})"] if best else []
        eta = self._eta()
        return parts + ([f"ETA {eta}, then the verdict"] if eta else [])

    def _best(self) -> TrialRecord | None:
        return next(iter(completed(self._ended)), None)

    def _eta(self) -> str | None:
        """Return the median seconds of a trial times the trials left, divided by the most workers seen at once."""
        seconds = [record.measured.total_seconds for record in self._ended if record.measured]
        if self._budget is None or not seconds:
            return None
        remaining = max(0, self._budget - len(self._ended))
        return duration(median(seconds) * remaining / self._workers) if remaining else None

    def _say(self, line: str) -> None:
        """Print a plain line; on a terminal refresh the table, which shows it."""
        if self._quiet:
            return
        if self._live:
            self._live.refresh()
        else:
            self._console.print(visible(line), markup=False, highlight=False, soft_wrap=True)


def _failure(record: TrialRecord) -> str:
    state = "failed" if record.state == "FAIL" else record.state.lower()
    return f"{state}: {' '.join(record.reason.split())}" if record.reason else state


def _ended_row(record: TrialRecord) -> list[Text]:
    name = str(record.number) + ("*" if record.reference else "")
    words = record.architecture.describe()
    if not record.is_complete:
        return [Text(name), _one_line(f"{_failure(record)}: {words}"), *[Text(MISSING)] * 4]
    return [
        Text(name),
        _one_line(f"{words} ({record.reference})" if record.reference else words),
        Text(fixed(record.val_bpb)),
        Text(fixed(record.val_novel_bpb)),
        Text(fixed(record.collapse_rate)),
        Text(fixed(record.fitness)),
    ]


def _one_line(words: str) -> Text:
    return Text(visible(words), no_wrap=True, overflow="ellipsis")
