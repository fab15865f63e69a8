"""Command `python -m nas.export`: write a checkpoint in the format of another program."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from nas import cli
from nas.errors import UsageError

_FORMATS = ("hf", "gguf")
_DTYPES = ("f32", "f16", "bf16")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    built = cli.parser("nas.export", "Write a checkpoint for transformers or llama.cpp, with the same logits.")
    built.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a folder of nas.train, or a file of weights"
    )
    built.add_argument(
        "--to", required=True, choices=_FORMATS, help="hf: a folder for transformers; gguf: a file for llama.cpp"
    )
    built.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="folder or file to write (default: CHECKPOINT/hf or CHECKPOINT/NAME.gguf)",
    )
    built.add_argument("--dtype", choices=_DTYPES, help="with --to gguf: data type of the matrices (default: f32)")
    built.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    return built


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    if arguments.dtype and arguments.to != "gguf":
        raise UsageError("--dtype needs --to gguf; transformers loads the fp32 of --to hf in any dtype")
    summary = export(arguments, cli.command_line("nas.export", argv))
    if arguments.json:
        print(json.dumps(summary, indent=2))
    else:
        print_summary(summary)
    return 0


def export(arguments: argparse.Namespace, command: str) -> dict[str, Any]:
    """Write the export and return its summary."""
    from nas.export.run_facts import RunFacts
    from nas.inference.language_model import LanguageModel

    language_model = LanguageModel.load(arguments.checkpoint)
    facts = RunFacts.read(arguments.checkpoint.expanduser())
    folder = facts.weights.parent
    if arguments.to == "hf":
        from nas.export.hugging_face import export_folder

        out = (arguments.out or folder / "hf").expanduser()
        chosen, agreement = export_folder(language_model, facts, out, command)
        class_name, files = chosen.name, sorted(path.name for path in out.iterdir())
    else:
        from nas.export.gguf_file import export_gguf

        out = (arguments.out or folder / f"{facts.name}.gguf").expanduser()
        agreement = export_gguf(language_model, out, facts.name, arguments.dtype or "f32")
        class_name, files = f"llama, {arguments.dtype or 'f32'}", [out.name]
    return {
        "architecture": language_model.model.config.describe(),
        "class": class_name,
        "out": str(out),
        "files": files,
        "largest_difference": agreement.difference,
        "checked": agreement.as_text(),
        "next": next_command(arguments.to, out),
    }


def next_command(format_name: str, out: Path) -> str:
    """Return the command to run next."""
    if format_name == "hf":
        return f"python -m nas.audit {shlex.quote(str(out))}"
    return f'llama-completion -m {shlex.quote(str(out))} --no-conversation -n 64 -p "def read_config(path):"'


def print_summary(summary: dict[str, Any]) -> None:
    """Print a summary as aligned lines."""
    for name in ("architecture", "class", "checked"):
        print(f"{name:<13} {summary[name]}")
    print(f"{'files':<13} {', '.join(summary['files'])}")
    print(f"{'out':<13} {summary['out']}")
    print(f"{'next':<13} {summary['next']}")


if __name__ == "__main__":
    cli.run(main, "nas.export")
