"""`python -m nas.tokenizer`: train a tokenizer or check anyone's, and show how it cuts code."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.errors import CodenasError, UsageError

if TYPE_CHECKING:
    from nas.data.tokenizer_report import TokenizerReport
    from nas.tokenizer.vocabulary import Vocabulary

_COLOURS = ("\033[36m", "\033[33m")
_DEFAULT_COLOUR = "\033[39m"
_MAX_SHOWN = 16
_WHITESPACE = str.maketrans({" ": "·", "\t": "→", "\n": "⏎"})


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.tokenizer", "Train a tokenizer, check anyone's, show how it cuts code.")
    commands = built.add_subparsers(dest="command", required=True, metavar="train|show")
    train = commands.add_parser("train", help="train one on a corpus, or check one that is there", allow_abbrev=False)
    train.add_argument(
        "kind",
        metavar="SIZE|chars|bytes|gpt2|FILE",
        help="a byte-level BPE of 257 to 65,536 tokens, characters, plain bytes, GPT-2's, or any tokenizer.json",
    )
    train.add_argument("--corpus", default="stdlib", metavar="PATH", help="as in nas.search (default: stdlib)")
    train.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the tokenizer's JSON (default: runs/tokenizers/NAME.json; none for a FILE)",
    )
    train.add_argument("--json", action="store_true", help="print the report as one JSON object")
    show = commands.add_parser("show", help="show how a tokenizer cuts a text", allow_abbrev=False)
    show.add_argument(
        "tokenizer", metavar="TOKENIZER", help="a file that train wrote, any tokenizer.json, gpt2 or bytes"
    )
    show.add_argument("text", metavar="TEXTFILE|-", help="what is cut; - reads standard input")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.command == "show":
        return show(arguments.tokenizer, arguments.text)
    return train(arguments)


def train(arguments: argparse.Namespace) -> int:
    """Train on the train split, or read; report; write the file unless a document does not come back."""
    if arguments.out and arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out} is a folder; give a file")
    from nas.data.prepare import prepare_data
    from nas.data.tokenizer_report import report_tokenizer
    from nas.system.files import write_atomically
    from nas.tokenizer.choice import choose_tokenizer

    chosen = choose_tokenizer(arguments.kind)
    data = prepare_data(arguments.corpus, [chosen])
    (name,) = data.vocabulary_names
    report = report_tokenizer(data, name)
    out = arguments.out or (Path("runs", "tokenizers", f"{name}.json") if isinstance(chosen, str) else None)
    written = None if report.failures else out
    if written:
        write_atomically(written, data.vocabulary(name).save)
    path = written or Path(arguments.kind)
    if arguments.json:
        print(json.dumps(as_json(report, written), indent=2, ensure_ascii=False))
    else:
        print(*lines(report, path), sep="\n")
    if report.failures:
        count = len(report.failures)
        raise CodenasError(
            f"{count} of {report.checked_documents} documents do not come back, the first is {report.failures[0]}; "
            "take another tokenizer"
        )
    return 0


def as_json(report: TokenizerReport, written: Path | None) -> dict[str, Any]:
    facts = asdict(report) | {"longest_tokens": [shown(one) for one in report.longest_tokens]}
    return facts | {"file": str(written) if written else None}


def lines(report: TokenizerReport, path: Path) -> list[str]:
    """The report for people; `path` is where the tokenizer is."""
    from nas.data.tokenizer_report import RARE

    share = f"{report.unused_tokens / report.num_ids:.1%}"
    left_out = [f"left out        {', '.join(report.left_out)}"] if report.left_out else []
    return [
        f"tokenizer       {report.name}: {report.num_ids:,} ids, {report.eot_id} ends a text",
        *left_out,
        f"validation      {report.bytes_per_token:.3f} bytes per token",
        f"train           {report.train_tokens:,} tokens",
        f"unused          {report.unused_tokens:,} ids ({share}) never in train, "
        f"{report.rare_tokens:,} fewer than {RARE} times",
        "longest         " + "  ".join(f"{shortened(one)} ({len(one)} bytes)" for one in report.longest_tokens),
        f"round trip      {report.checked_documents - len(report.failures):,} of {report.checked_documents:,} "
        "documents of validation and holdout come back",
        f"file            {path}",
        f"next            python -m nas.tokenizer show {shlex.quote(str(path))} FILE.py",
    ]


def show(tokenizer: str, source: str) -> int:
    """Print a text with its tokens apart."""
    vocabulary = open_trained(tokenizer)
    text = read_text(source)
    ids = vocabulary.encode(text)
    print(cut_text(vocabulary, ids, coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    num_bytes = len(text.encode())
    ratio = f"{num_bytes / len(ids):.3f}" if ids else "no"
    print(f"\n{len(ids):,} tokens, {num_bytes:,} bytes, {ratio} bytes per token")
    return 0


def open_trained(given: str) -> Vocabulary:
    """A tokenizer that needs no corpus; UsageError for one that is yet to be trained."""
    from nas.data.prepare import say
    from nas.tokenizer.choice import choose_tokenizer
    from nas.tokenizer.gpt2 import fetch_gpt2
    from nas.tokenizer.vocabulary import Vocabulary, train_bpe

    chosen = choose_tokenizer(given)
    if isinstance(chosen, Vocabulary):
        return chosen
    if chosen == "gpt2":
        return Vocabulary(fetch_gpt2(say))
    if chosen == "bytes":
        return train_bpe([], 256)
    raise UsageError(
        f"'{given}' is trained on a corpus; python -m nas.tokenizer train {given} does, then show the file it writes"
    )


def read_text(source: str) -> str:
    """The text of a file, or of standard input for `-`, every byte kept; UsageError when it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).expanduser().read_bytes()
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{source} is not UTF-8; give a text file") from None
    except OSError as error:
        raise UsageError(
            f"cannot read {source}: {error.strerror or error}; give a text file, or - to read standard input"
        ) from None


def cut_text(vocabulary: Vocabulary, ids: list[int], *, coloured: bool) -> str:
    """The tokens with a bar between them, and a line break after one that holds any."""
    pieces = []
    for number, colour in zip(ids, itertools.cycle(_COLOURS)):
        token = vocabulary.token_bytes[number]
        piece = f"{colour}{shown(token)}{_DEFAULT_COLOUR}" if coloured else shown(token)
        pieces.append(piece + ("\n" if b"\n" in token else "│"))
    return "".join(pieces).removesuffix("│").removesuffix("\n")


def shortened(token: bytes) -> str:
    text = shown(token)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def shown(token: bytes) -> str:
    """A token on one line: whitespace visible, bytes that are no character and control characters escaped."""
    return cli.printable(token.decode(errors="backslashreplace")).translate(_WHITESPACE)


if __name__ == "__main__":
    cli.run(main, "nas.tokenizer")
