"""`python -m nas.play`: complete code with a trained model, at a prompt, once, or for a file of prompts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli
from nas.errors import UsageError
from nas.play.settings import READERS, Settings

if TYPE_CHECKING:
    from nas.evaluate.quality.completion_quality import CompletionQuality
    from nas.inference.language_model import LanguageModel

_HISTORY = "play_history"


def parser() -> argparse.ArgumentParser:
    built = cli.parser(
        "nas.play", "Complete Python code. Without a PROMPT, on a terminal, it asks for one again and again."
    )
    built.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a folder of nas.train, or its weights file")
    built.add_argument(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        help="code to go on with; - reads standard input, less its last line break",
    )
    how = built.add_argument_group("how it goes on")
    greedy = how.add_mutually_exclusive_group()
    greedy.add_argument("--greedy", action="store_true", help="the likeliest token each time")
    for name, what in (
        ("temperature", "divides the logits; 0 is --greedy"),
        ("top_p", "of the likeliest tokens that hold this share; 1 is all"),
        ("top_k", "of so many likeliest tokens; 0 is all"),
        ("max_bytes", "bytes of a completion at most"),
        ("seed", "of the random numbers"),
    ):
        default = getattr(Settings, name)
        group = greedy if name == "temperature" else how
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=READERS[name],
            default=default,
            metavar="X" if isinstance(default, float) else "N",
            help=f"{what} (default: {default})",
        )
    how.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end before this text; can be repeated"
    )
    what_for = built.add_argument_group("what for")
    what_for.add_argument(
        "-n", "--num-samples", type=cli.positive_int, default=1, metavar="N", help="completions, each of the next seed"
    )
    what_for.add_argument("--prompts", type=Path, metavar="FILE", help="complete all of these, one a line, and judge")
    what_for.add_argument("--save", type=Path, metavar="FILE", help="with --prompts: write what nas.evaluate reads")
    what_for.add_argument("--json", action="store_true", help="print one JSON object for each completion, one a line")
    built.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    built.add_argument("--no-history", action="store_true", help="do not read or keep the lines that are typed")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    is_asked = arguments.prompt is None and sys.stdin.isatty() and sys.stdout.isatty()
    check_usage(arguments, is_interactive=is_asked and not arguments.prompts)
    fields = {name: getattr(arguments, name) for name in READERS} | {"stop": tuple(arguments.stop)}
    settings = Settings(**fields | ({"temperature": 0.0} if arguments.greedy else {}))
    # Models write U+FFFD, which not every terminal's encoding has.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if arguments.prompts:
        complete_file(arguments, settings)
    elif is_asked:
        converse(open_model(arguments), arguments, settings)
    else:
        prompt = read_standard_input() if arguments.prompt in (None, "-") else arguments.prompt
        complete(open_model(arguments), prompt, settings, arguments.num_samples, as_json=arguments.json)
    return 0


def check_usage(arguments: argparse.Namespace, *, is_interactive: bool) -> None:
    """UsageError for flags that do not go together, before anything heavy is imported."""
    if arguments.prompts and arguments.prompt is not None:
        raise UsageError("give a PROMPT or --prompts FILE, not both")
    if arguments.prompts and arguments.num_samples > 1:
        raise UsageError("--prompts writes one completion a prompt; leave -n out")
    if arguments.save and not arguments.prompts:
        raise UsageError("--save writes the completions of --prompts FILE; give one")
    if arguments.save and arguments.save.is_dir():
        raise UsageError(f"--save {arguments.save} is a folder; give a file")
    if arguments.num_samples > 1 and (arguments.greedy or arguments.temperature == 0):
        raise UsageError("greedy completions are all the same; leave -n out or give a --temperature")
    if is_interactive and (arguments.json or arguments.num_samples > 1):
        raise UsageError("--json and -n take a PROMPT, or - to read standard input")


def open_model(arguments: argparse.Namespace) -> LanguageModel:
    from nas.inference.language_model import LanguageModel

    return LanguageModel.open_on(arguments.checkpoint, arguments.device)


def read_standard_input() -> str:
    """All of it but one line break at the end, which `echo` adds; UsageError when it is no text."""
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8; give it text") from None


def complete(model: LanguageModel, prompt: str, settings: Settings, num_samples: int, *, as_json: bool) -> None:
    """The completion alone on standard output, as it is written; several under a line that tells their seeds."""
    from nas.play.shown import note_collapse, note_cut, note_full, rule_of, show

    length = model.model.config.max_seq_length
    for number in range(num_samples):
        sample = replace(settings, seed=settings.seed + number)
        with closing(sample.stream(model, prompt)) as stream:
            if number == 0:
                note_cut(stream, length)
            if as_json:
                text = "".join(stream)
                print(json_line(prompt, text, sample, ended=stream.ended, rule=rule_of(stream, prompt)), flush=True)
                note_full(stream, sample, length)
                continue
            if num_samples > 1:
                print(f"--- {number + 1} of {num_samples}, seed {sample.seed}")
            show(stream)
        if num_samples > 1 or sys.stdout.isatty():
            print(flush=True)
        note_full(stream, sample, length)
        note_collapse(stream, prompt)


def json_line(prompt: str | None, text: str, settings: Settings, *, ended: bool, rule: str | None) -> str:
    """One completion with all that it takes to write it again; nas.evaluate --completions reads it too."""
    told = {"prompt": prompt, "completion": text} | asdict(settings) | {"ended": ended, "rule": rule}
    return json.dumps(told)


def complete_file(arguments: argparse.Namespace, settings: Settings) -> None:
    """Every prompt of a file in batches, each completion with what is said of it, then the report of nas.evaluate."""
    from nas.evaluate.quality.completions import write_completions
    from nas.evaluate.quality.evaluation import evaluate_protocol
    from nas.evaluate.quality.prompts import choose_prompts
    from nas.evaluate.quality.protocols import Protocol
    from nas.evaluate.quality.text import input_line, report_lines

    prompts = choose_prompts(arguments.prompts, None)
    model = open_model(arguments)
    most_tokens = min(settings.max_bytes, model.model.config.max_seq_length)
    protocol = Protocol("play", settings.sampling, most_tokens, settings.max_bytes)
    found = evaluate_protocol(model, arguments.checkpoint, prompts, protocol, seed=settings.seed, stops=settings.stop)
    if arguments.save:
        write_completions([one.completion for one in found.judged], [one.rule for one in found.judged], arguments.save)
    if arguments.json:
        for one in found.judged:
            written = one.completion
            print(json_line(written.prompt, one.text, settings, ended=written.ended, rule=one.rule))
        return
    print(*judged_lines(found.judged), input_line(found.report), settings.describe(), sep="\n")
    print("", *report_lines(found.report), sep="\n")
    if arguments.save:
        print(f"completions     {arguments.save}")


def judged_lines(judged: Sequence[CompletionQuality]) -> list[str]:
    """Each prompt and completion as one text, under the origin's category and the detector's rule."""
    lines = []
    for number, one in enumerate(judged, start=1):
        called = f", collapsed: {one.rule}" if one.rule else ""
        lines += [
            f"--- {number} of {len(judged)}: {one.category}{called}; the completion starts after >>>",
            f"{cli.printable(f'{one.completion.prompt}>>>{one.text}')}\n",
        ]
    return lines


def converse(model: LanguageModel, arguments: argparse.Namespace, settings: Settings) -> None:
    """A banner, then a session with the user."""
    from nas.play.history import line_editing
    from nas.play.session import Session
    from nas.system.cache_folder import cache_root

    # What is typed is checked where it becomes a prompt, so that it costs a line and not the session.
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    config = model.model.config
    print(f"{config.describe()}, {config.num_params:,} parameters, up to {config.max_seq_length} tokens")
    print(settings.describe())
    print("Type code to go on with. :help says how, Ctrl-D leaves. What the model writes is shown, never executed.")
    with line_editing(None if arguments.no_history else cache_root() / _HISTORY) as edits_lines:
        Session(model, settings, edits_lines=edits_lines).run()


if __name__ == "__main__":
    cli.run(main, "nas.play")
