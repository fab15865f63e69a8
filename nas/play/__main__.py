"""Command `python -m nas.play`: complete code at a prompt, once, or for a file of prompts."""

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
from nas.play.settings import PARSERS, Settings

if TYPE_CHECKING:
    from nas.evaluate.quality.completion_quality import CompletionQuality
    from nas.inference.language_model import LanguageModel

_HISTORY_FILE = "play_history"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    built = cli.parser(
        "nas.play", "Complete Python code. Without a PROMPT, on a terminal, it starts an interactive session."
    )
    built.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a folder of nas.train, or its weights file")
    built.add_argument(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        help="code to complete; - reads standard input without its last line break",
    )
    generation = built.add_argument_group("how it generates")
    greedy = generation.add_mutually_exclusive_group()
    greedy.add_argument("--greedy", action="store_true", help="choose the most likely token each time")
    for name, meaning in (
        ("temperature", "divide the logits by X; 0 is --greedy"),
        ("top_p", "sample from the most likely tokens with total probability X; 1 means all"),
        ("top_k", "sample from the N most likely tokens; 0 means all"),
        ("max_bytes", "maximum bytes of a completion"),
        ("seed", "seed of the random numbers"),
    ):
        default = getattr(Settings, name)
        group = greedy if name == "temperature" else generation
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=PARSERS[name],
            default=default,
            metavar="X" if isinstance(default, float) else "N",
            help=f"{meaning} (default: {default})",
        )
    generation.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end before this text; can be repeated"
    )
    output = built.add_argument_group("what it generates and prints")
    output.add_argument(
        "-n",
        "--num-samples",
        type=cli.positive_int,
        default=1,
        metavar="N",
        help="completions, each with the next seed",
    )
    output.add_argument(
        "--prompts", type=Path, metavar="FILE", help="complete and evaluate all prompts of FILE, one per line"
    )
    output.add_argument(
        "--save", type=Path, metavar="FILE", help="with --prompts: write the completions as nas.evaluate reads them"
    )
    output.add_argument("--json", action="store_true", help="print one JSON object per completion, one per line")
    built.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    built.add_argument("--no-history", action="store_true", help="do not read or keep the lines that you type")
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    is_at_terminal = arguments.prompt is None and sys.stdin.isatty() and sys.stdout.isatty()
    check_usage(arguments, is_interactive=is_at_terminal and not arguments.prompts)
    fields = {name: getattr(arguments, name) for name in PARSERS} | {"stop": tuple(arguments.stop)}
    settings = Settings(**fields | ({"temperature": 0.0} if arguments.greedy else {}))
    # Models write U+FFFD, which the encoding of some terminals lacks.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if arguments.prompts:
        complete_file(arguments, settings)
    elif is_at_terminal:
        run_session(open_model(arguments), arguments, settings)
    else:
        prompt = read_standard_input() if arguments.prompt in (None, "-") else arguments.prompt
        complete(open_model(arguments), prompt, settings, arguments.num_samples, as_json=arguments.json)
    return 0


def check_usage(arguments: argparse.Namespace, *, is_interactive: bool) -> None:
    """Raise UsageError for flags that do not go together, before anything heavy is imported."""
    if arguments.prompts and arguments.prompt is not None:
        raise UsageError("give a PROMPT or --prompts FILE, not both")
    if arguments.prompts and arguments.num_samples > 1:
        raise UsageError("--prompts writes one completion per prompt; leave -n out")
    if arguments.save and not arguments.prompts:
        raise UsageError("--save writes the completions of --prompts FILE; give --prompts")
    if arguments.save and arguments.save.is_dir():
        raise UsageError(f"--save {arguments.save} is a folder; give a file")
    if arguments.num_samples > 1 and (arguments.greedy or arguments.temperature == 0):
        raise UsageError("greedy completions are all the same; leave -n out or give a --temperature above 0")
    if is_interactive and (arguments.json or arguments.num_samples > 1):
        raise UsageError("--json and -n need a PROMPT, or - to read standard input")


def open_model(arguments: argparse.Namespace) -> LanguageModel:
    """Load the checkpoint onto the device that the flags name."""
    from nas.inference.language_model import LanguageModel

    return LanguageModel.open_on(arguments.checkpoint, arguments.device)


def read_standard_input() -> str:
    """Return all of stdin but one line break at the end, which `echo` adds; raise UsageError when it is not UTF-8."""
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8 text") from None


def complete(model: LanguageModel, prompt: str, settings: Settings, num_samples: int, *, as_json: bool) -> None:
    """Print completions on stdout as they are generated; several of them each below a line with its seed."""
    from nas.play.display import note_collapse, note_length_limit, note_truncated_prompt, show, stream_collapse_rule

    length = model.model.config.max_seq_length
    for number in range(num_samples):
        sample = replace(settings, seed=settings.seed + number)
        with closing(sample.stream(model, prompt)) as stream:
            if number == 0:
                note_truncated_prompt(stream, length)
            if as_json:
                text = "".join(stream)
                rule = stream_collapse_rule(stream, prompt)
                print(json_line(prompt, text, sample, ended=stream.ended, rule=rule), flush=True)
                note_length_limit(stream, sample, length)
                continue
            if num_samples > 1:
                print(f"--- {number + 1} of {num_samples}, seed {sample.seed}")
            show(stream)
        if num_samples > 1 or sys.stdout.isatty():
            print(flush=True)
        note_length_limit(stream, sample, length)
        note_collapse(stream, prompt)


def json_line(prompt: str | None, text: str, settings: Settings, *, ended: bool, rule: str | None) -> str:
    """Return one completion with all settings that reproduce it, in a form that nas.evaluate --completions reads."""
    values = {"prompt": prompt, "completion": text} | asdict(settings) | {"ended": ended, "rule": rule}
    return json.dumps(values)


def complete_file(arguments: argparse.Namespace, settings: Settings) -> None:
    """Complete every prompt of a file in batches, and print the completions and the report of nas.evaluate."""
    from nas.evaluate.quality.completions import write_completions
    from nas.evaluate.quality.evaluation import evaluate_protocol
    from nas.evaluate.quality.prompts import choose_prompts
    from nas.evaluate.quality.protocols import Protocol
    from nas.evaluate.quality.text import input_line, report_lines

    prompts = choose_prompts(arguments.prompts, None)
    model = open_model(arguments)
    max_tokens = min(settings.max_bytes, model.model.config.max_seq_length)
    protocol = Protocol("play", settings.sampling, max_tokens, settings.max_bytes)
    evaluation = evaluate_protocol(
        model, arguments.checkpoint, prompts, protocol, seed=settings.seed, stops=settings.stop
    )
    qualities, report = evaluation.qualities, evaluation.report
    if arguments.save:
        write_completions(
            [quality.completion for quality in qualities], [quality.rule for quality in qualities], arguments.save
        )
    if arguments.json:
        for quality in qualities:
            prompt, ended = quality.completion.prompt, quality.completion.ended
            print(json_line(prompt, quality.text, settings, ended=ended, rule=quality.rule))
        return
    print(*completion_lines(qualities), input_line(report), settings.describe(), sep="\n")
    print("", *report_lines(report), sep="\n")
    if arguments.save:
        print(f"completions     {arguments.save}")


def completion_lines(qualities: Sequence[CompletionQuality]) -> list[str]:
    """Return each prompt and completion as one text, below a line with its category and collapse rule."""
    lines = []
    for number, quality in enumerate(qualities, start=1):
        collapse = f", collapsed: {quality.rule}" if quality.rule else ""
        lines += [
            f"--- {number} of {len(qualities)}: {quality.category}{collapse}; the completion starts after >>>",
            f"{cli.printable(f'{quality.completion.prompt}>>>{quality.text}')}\n",
        ]
    return lines


def run_session(model: LanguageModel, arguments: argparse.Namespace, settings: Settings) -> None:
    """Print a banner, then run an interactive session."""
    from nas.play.input import line_editing
    from nas.play.session import Session
    from nas.system.cache_folder import cache_root

    # Input is checked when it becomes a prompt, so that invalid bytes cost one line and not the session.
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    config = model.model.config
    print(f"{config.describe()}, {config.num_params:,} parameters, up to {config.max_seq_length} tokens")
    print(settings.describe())
    print("Type code to complete; :help explains more, Ctrl-D leaves. Generated code is shown, never executed.")
    with line_editing(None if arguments.no_history else cache_root() / _HISTORY_FILE) as edits_lines:
        Session(model, settings, edits_lines=edits_lines).run()


if __name__ == "__main__":
    cli.run(main, "nas.play")
