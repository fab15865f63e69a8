"""`python -m nas.export`: a checkpoint as the files that other programs load."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from nas import cli
from nas.errors import UsageError

_FORMS = ("hf", "gguf")
_DTYPES = ("f32", "f16", "bf16")


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.export", "Write a checkpoint as transformers or llama.cpp load it, with the same logits.")
    built.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a folder of nas.train, or a file of weights"
    )
    built.add_argument(
        "--to", required=True, choices=_FORMS, help="hf: a folder for transformers; gguf: a file for llama.cpp"
    )
    built.add_argument(
        "--out", type=Path, metavar="PATH", help="folder or file (default: CHECKPOINT/hf, CHECKPOINT/NAME.gguf)"
    )
    built.add_argument("--dtype", choices=_DTYPES, help="with --to gguf: of the matrices (default: f32)")
    built.add_argument("--json", action="store_true", help="print the end as one JSON object")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.dtype and arguments.to != "gguf":
        raise UsageError("--dtype goes with --to gguf; a folder for transformers is fp32, which loads as any other")
    facts = export(arguments, cli.command_line("nas.export", argv))
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        print_summary(facts)
    return 0


def export(arguments: argparse.Namespace, command: str) -> dict[str, Any]:
    """Write what was asked for; the facts of the summary."""
    from nas.export.run_facts import RunFacts
    from nas.inference.language_model import LanguageModel

    language_model = LanguageModel.load(arguments.checkpoint)
    facts = RunFacts.read(arguments.checkpoint.expanduser())
    folder = facts.weights.parent
    if arguments.to == "hf":
        from nas.export.hugging_face import export_folder

        out = (arguments.out or folder / "hf").expanduser()
        chosen, agreed = export_folder(language_model, facts, out, command)
        kind, files = chosen.name, sorted(path.name for path in out.iterdir())
    else:
        from nas.export.gguf_file import export_gguf

        out = (arguments.out or folder / f"{facts.name}.gguf").expanduser()
        agreed = export_gguf(language_model, out, facts.name, arguments.dtype or "f32")
        kind, files = f"llama, {arguments.dtype or 'f32'}", [out.name]
    return {
        "architecture": language_model.model.config.describe(),
        "class": kind,
        "out": str(out),
        "files": files,
        "largest_difference": agreed.difference,
        "checked": agreed.as_text(),
        "next": next_command(arguments.to, out),
    }


def next_command(form: str, out: Path) -> str:
    if form == "hf":
        return f"python -m nas.audit {shlex.quote(str(out))}"
    return f'llama-completion -m {shlex.quote(str(out))} --no-conversation -n 64 -p "def read_config(path):"'


def print_summary(facts: dict[str, Any]) -> None:
    for name in ("architecture", "class", "checked"):
        print(f"{name:<13} {facts[name]}")
    print(f"{'files':<13} {', '.join(facts['files'])}")
    print(f"{'out':<13} {facts['out']}")
    print(f"{'next':<13} {facts['next']}")


if __name__ == "__main__":
    cli.run(main, "nas.export")
