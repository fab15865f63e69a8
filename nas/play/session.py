"""Completing code at a prompt, until the user leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace

from nas import cli
from nas.errors import UsageError, unknown_name
from nas.inference.language_model import LanguageModel
from nas.play.settings import Settings
from nas.play.shown import FAINT, NORMAL, dim, is_coloured, note, note_collapse, note_cut, note_full, show
from nas.play.typed import BLOCK, BLOCK_END, read_typed

HELP = f"""\
Type code; the model goes on with it. Enter sends a line. After one that ends in : ( [ {{ , or \\, begins with @ or is
indented, input goes on until an empty line. {BLOCK} begins a block with empty lines in it, {BLOCK_END} ends it.
Nothing is added at the end: the model writes the line break itself. Ctrl-C stops it.

:more               go on from where it stopped
:again              the same prompt with the next seed
:seed N             the next completion is drawn with this seed
:set                show the settings
:set NAME VALUE     temperature (0: the likeliest token each time), top_p, top_k, max_bytes, seed
:quit               leave, as do Ctrl-D and Ctrl-C at the prompt
"""


class Session:
    """A model and its user: the settings as they are now, the last prompt and what was written after it."""

    def __init__(self, model: LanguageModel, settings: Settings, *, edits_lines: bool) -> None:
        """`edits_lines`: `input` is readline's, which must be told what in its prompt has no width."""
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
        """Read, write, again. Ctrl-C stops what is being written; at the prompt it leaves."""
        while not self._has_left:
            try:
                typed = read_typed(self._ask)
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
                note("stopped; :more goes on")

    def answer(self, typed: str | None) -> None:
        """Obey a command, complete anything else; an empty line is nothing."""
        if typed is None or typed == "":
            return
        if not typed.startswith(":"):
            return self.write(typed)
        name, _, rest = typed[1:].partition(" ")
        if name not in self._commands:
            raise UsageError(f"{unknown_name('command', name, self._commands)}; :help says more")
        self._commands[name](rest.strip())

    def write(self, prompt: str) -> None:
        """Show what the model writes after `prompt`, behind its last line."""
        with closing(self.settings.stream(self.model, prompt)) as stream:
            self.prompt, self.text = prompt, ""
            note_cut(stream, self.model.model.config.max_seq_length)
            last_line = prompt.rpartition("\n")[2]
            print(dim(cli.printable(last_line), sys.stdout), end="", flush=True)
            try:
                show(stream)
            finally:
                self.text = stream.text
        print(flush=True)
        note_full(stream, self.settings, self.model.model.config.max_seq_length)
        note_collapse(stream, prompt)

    def _help(self, rest: str) -> None:
        print(HELP, end="")

    def _more(self, rest: str) -> None:
        # Half a character at the limit of bytes is not what the model wrote.
        self.write(self._last_prompt() + self.text.removesuffix("\ufffd"))

    def _again(self, rest: str) -> None:
        prompt = self._last_prompt()
        self.settings = replace(self.settings, seed=self.settings.seed + 1)
        note(f"seed {self.settings.seed}")
        self.write(prompt)

    def _seed(self, rest: str) -> None:
        self._set(f"seed {rest}")

    def _set(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        if name:
            self.settings = self.settings.changed(name, value.strip())
        note(self.settings.describe())

    def _quit(self, rest: str) -> None:
        self._has_left = True

    def _last_prompt(self) -> str:
        if self.prompt is None:
            raise UsageError("there is no prompt yet; type one")
        return self.prompt

    def _ask(self, prompt: str) -> str:
        if not is_coloured(sys.stdout):
            return input(prompt)
        if self._edits_lines:
            return input(f"\001{FAINT}\002{prompt}\001{NORMAL}\002")
        return input(dim(prompt, sys.stdout))
