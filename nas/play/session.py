"""The interactive session: complete what the user types until the user leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace

from nas import cli
from nas.errors import UsageError, unknown_name
from nas.inference.language_model import LanguageModel
from nas.play.display import (
    FAINT,
    NORMAL,
    dim,
    is_coloured,
    note,
    note_collapse,
    note_length_limit,
    note_truncated_prompt,
    show,
)
from nas.play.input import BLOCK, BLOCK_END, read_input
from nas.play.settings import Settings

HELP = f"""\
Type code; the model continues it. Enter sends a line. After a line that ends in : ( [ {{ , or \\, begins with @ or is
indented, input continues until an empty line. {BLOCK} begins a block that may have empty lines, {BLOCK_END} ends it.
Nothing is added at the end: the model writes the line break itself. Ctrl-C stops the model.

:more               continue the last completion
:again              complete the same prompt with the next seed
:seed N             use this seed for the next completion
:set                show the settings
:set NAME VALUE     change temperature (0: the most likely token each time), top_p, top_k, max_bytes or seed
:quit               leave, as do Ctrl-D and Ctrl-C at the prompt
"""


class Session:
    """A session with one model: its settings, the last prompt and the last completion."""

    def __init__(self, model: LanguageModel, settings: Settings, *, edits_lines: bool) -> None:
        """Create a session; `edits_lines` tells that `input` uses readline, which must know what has no width."""
        self.model = model
        self.settings = settings
        self.prompt: str | None = None
        self.text = ""
        self._edits_lines = edits_lines
        self._has_left = False
        self._commands: Mapping[str, Callable[[str], None]] = {
            "help": self._help,
            "more": self._more,
            "again": self._again,
            "seed": self._seed,
            "set": self._set,
            "quit": self._quit,
        }

    def run(self) -> None:
        """Read input and answer it until the user leaves; Ctrl-C stops a completion, or leaves at the prompt."""
        while not self._has_left:
            try:
                typed = read_input(self._read_line)
            except (EOFError, KeyboardInterrupt) as end:
                if cli.is_termination(end):
                    raise
                return print()
            try:
                self.answer(typed)
            except UsageError as error:
                note(str(error))
            except KeyboardInterrupt as interrupt:
                if cli.is_termination(interrupt):
                    raise
                print(flush=True)
                note("stopped; :more continues")

    def answer(self, typed: str | None) -> None:
        """Run a command, or complete any other text; ignore an empty line."""
        if typed is None or typed == "":
            return
        if not typed.startswith(":"):
            return self.complete(typed)
        name, _, rest = typed[1:].partition(" ")
        if name not in self._commands:
            raise UsageError(f"{unknown_name('command', name, self._commands)}; :help lists them")
        self._commands[name](rest.strip())

    def complete(self, prompt: str) -> None:
        """Show the last line of `prompt` and its completion."""
        with closing(self.settings.stream(self.model, prompt)) as stream:
            self.prompt, self.text = prompt, ""
            note_truncated_prompt(stream, self.model.model.config.max_seq_length)
            last_line = prompt.rpartition("\n")[2]
            print(dim(cli.printable(last_line), sys.stdout), end="", flush=True)
            try:
                show(stream)
            finally:
                self.text = stream.text
        print(flush=True)
        note_length_limit(stream, self.settings, self.model.model.config.max_seq_length)
        note_collapse(stream, prompt)

    def _help(self, rest: str) -> None:
        print(HELP, end="")

    def _more(self, rest: str) -> None:
        # Half a character at the byte limit is not part of the text.
        self.complete(self._last_prompt() + self.text.removesuffix("\ufffd"))

    def _again(self, rest: str) -> None:
        prompt = self._last_prompt()
        self.settings = replace(self.settings, seed=self.settings.seed + 1)
        note(f"seed {self.settings.seed}")
        self.complete(prompt)

    def _seed(self, rest: str) -> None:
        self._set(f"seed {rest}")

    def _set(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        if name:
            self.settings = self.settings.with_value(name, value.strip())
        note(self.settings.describe())

    def _quit(self, rest: str) -> None:
        self._has_left = True

    def _last_prompt(self) -> str:
        if self.prompt is None:
            raise UsageError("there is no prompt yet; type one")
        return self.prompt

    def _read_line(self, prompt: str) -> str:
        if not is_coloured(sys.stdout):
            return input(prompt)
        if self._edits_lines:
            return input(f"\001{FAINT}\002{prompt}\001{NORMAL}\002")
        return input(dim(prompt, sys.stdout))
