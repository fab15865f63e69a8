"""The command `python -m nas.tokenizer`: train or check a tokenizer, and show how it splits code."""

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
    command_parser = cli.parser(
        "nas.tokenizer", "Train a tokenizer, check an existing one, or show how one splits code."
    )
    commands = command_parser.add_subparsers(dest="command", required=True, metavar="train|show")
    train = commands.add_parser(
        "train", help="train a tokenizer on a corpus, or check an existing one", allow_abbrev=False
    )
    train.add_argument(
        "kind",
        metavar="SIZE|chars|bytes|gpt2|FILE",
        help="the size of a byte-level BPE (257 to 65,536), characters, plain bytes, GPT-2's, or any tokenizer.json",
    )
    train.add_argument(
        "--corpus", default="stdlib", metavar="NAME|PATH", help="a corpus, as in nas.corpus build (default: stdlib)"
    )
    train.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the tokenizer.json is written (default: runs/tokenizers/NAME.json; a FILE is not copied)",
    )
    train.add_argument("--json", action="store_true", help="print the report as one JSON object")
    show = commands.add_parser("show", help="show how a tokenizer splits a text", allow_abbrev=False)
    show.add_argument("tokenizer", metavar="TOKENIZER", help="any tokenizer.json, gpt2 or bytes")
    show.add_argument("text", metavar="TEXTFILE|-", help="the text to split; - reads standard input")
    return command_parser


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.command == "show":
        return show(arguments.tokenizer, arguments.text)
    return train(arguments)


def train(arguments: argparse.Namespace) -> int:
    """Train or read a tokenizer, report on it, and write it unless it changes a document."""
    if arguments.out and arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out} is a folder; give the name of a file")
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
            f"{count} of {report.checked_documents} documents change when encoded and decoded, the first is "
            f"{report.failures[0]}; use another tokenizer"
        )
    return 0


def as_json(report: TokenizerReport, written: Path | None) -> dict[str, Any]:
    facts = asdict(report) | {"longest_tokens": [visible(token) for token in report.longest_tokens]}
    return facts | {"file": str(written) if written else None}


def lines(report: TokenizerReport, path: Path) -> list[str]:
    """Return the report as lines for people; `path` is the file of the tokenizer."""
    from nas.data.tokenizer_report import RARE_COUNT

    share = f"{report.unused_tokens / report.num_ids:.1%}"
    left_out = [f"left out        {', '.join(report.left_out)}"] if report.left_out else []
    return [
        f"tokenizer       {report.name}: {report.num_ids:,} ids, {report.eot_id} is the end of text",
        *left_out,
        f"validation      {report.bytes_per_token:.3f} bytes per token",
        f"train           {report.train_tokens:,} tokens",
        f"unused          {report.unused_tokens:,} ids ({share}) never occur in train, "
        f"{report.rare_tokens:,} occur fewer than {RARE_COUNT} times",
        "longest         " + "  ".join(f"{shortened(token)} ({len(token)} bytes)" for token in report.longest_tokens),
        f"round trip      {report.checked_documents - len(report.failures):,} of {report.checked_documents:,} "
        "documents of validation and holdout are reproduced",
        f"file            {path}",
        f"next            python -m nas.tokenizer show {shlex.quote(str(path))} FILE.py",
    ]


def show(tokenizer: str, source: str) -> int:
    """Print a text with bars between its tokens."""
    vocabulary = open_trained(tokenizer)
    text = read_text(source)
    ids = vocabulary.encode(text)
    print(split_text(vocabulary, ids, coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    num_bytes = len(text.encode())
    ratio = f"{num_bytes / len(ids):.3f}" if ids else "no"
    print(f"\n{len(ids):,} tokens, {num_bytes:,} bytes, {ratio} bytes per token")
    return 0


def open_trained(given: str) -> Vocabulary:
    """Return a tokenizer that needs no corpus; raise UsageError for one that has to be trained."""
    from nas.data.prepare import print_progress
    from nas.tokenizer.choice import choose_tokenizer
    from nas.tokenizer.gpt2 import fetch_gpt2
    from nas.tokenizer.vocabulary import Vocabulary, train_bpe

    chosen = choose_tokenizer(given)
    if isinstance(chosen, Vocabulary):
        return chosen
    if chosen == "gpt2":
        return Vocabulary(fetch_gpt2(print_progress))
    if chosen == "bytes":
        return train_bpe([], 256)
    raise UsageError(
        f"'{given}' must be trained on a corpus first; run python -m nas.tokenizer train {given}, "
        "then show the file that it writes"
    )


def read_text(source: str) -> str:
    """Return the unchanged text of a file, or of standard input for `-`; raise UsageError if it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).expanduser().read_bytes()
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{source} is not in UTF-8; give a text file in UTF-8") from None
    except OSError as error:
        raise UsageError(
            f"cannot read {source}: {error.strerror or error}; give a text file, or - to read standard input"
        ) from None


def split_text(vocabulary: Vocabulary, ids: list[int], *, coloured: bool) -> str:
    """Return the tokens with a bar between them, and a line break after each token with a line feed."""
    pieces = []
    for token_id, colour in zip(ids, itertools.cycle(_COLOURS)):
        token = vocabulary.token_bytes[token_id]
        piece = f"{colour}{visible(token)}{_DEFAULT_COLOUR}" if coloured else visible(token)
        pieces.append(piece + ("\n" if b"\n" in token else "│"))
    return "".join(pieces).removesuffix("│").removesuffix("\n")


def shortened(token: bytes) -> str:
    text = visible(token)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def visible(token: bytes) -> str:
    """Return a token on one line with visible white space; control characters and broken bytes are escaped."""
    return cli.printable(token.decode(errors="backslashreplace")).translate(_WHITESPACE)


if __name__ == "__main__":
    cli.run(main, "nas.tokenizer")
