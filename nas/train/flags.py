"""The flags of `nas.train`; nothing heavy is imported, so that `--help` is instant."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from nas import cli

TEACHER_DEFAULTS: Mapping[str, float] = {"teacher_share": 0.5, "teacher_temperature": 1.0, "teacher_top_k": 64}
"""Values of the teacher's flags if they are not given; not argparse's defaults, to detect one without --teacher."""


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.train", "Train an architecture fully. The same command resumes a run that was stopped.")
    built.add_argument(
        "--arch-json",
        required=True,
        metavar="FILE",
        help="an arch JSON of a search or of the origin, or a shipped name",
    )
    length = built.add_mutually_exclusive_group()
    length.add_argument("--max-steps", type=cli.positive_int, metavar="N", help="training steps")
    length.add_argument("--flops", type=cli.positive_float, metavar="N", help="training FLOPs, such as 1e14")
    _add_text(built.add_argument_group("text"))
    _add_recipe(built.add_argument_group("recipe", "values that replace those of --recipe"))
    _add_teacher(built.add_argument_group("teacher"))
    _add_run(built.add_argument_group("run"))
    return built


def _add_text(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--corpus", metavar="PATH", help="as in nas.search (default: that of the search, or stdlib)")
    group.add_argument(
        "--train-path", metavar="FILE", help="a text file to train on, instead of --corpus; needs --val-path"
    )
    group.add_argument("--val-path", metavar="FILE", help="a text file; one half is validation, the other the holdout")
    group.add_argument(
        "--use-tokens",
        action="store_true",
        help="accepted for command lines of the origin; no effect, tokens are always used",
    )
    group.add_argument(
        "--tokenizer",
        metavar="SIZE|chars|bytes|gpt2|FILE",
        help="its size replaces vocab_size (default: the arch JSON's tokenizer, or a BPE of vocab_size tokens)",
    )


def _add_recipe(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--recipe",
        choices=("search", "origin"),
        default="search",
        help="search: the rule of a trial and the arch JSON's batch; origin: 50,000 steps of 32 x 256 tokens, 2,000 "
        "warm-up steps, a cosine from 3e-4 to 1e-5 (default: search)",
    )
    group.add_argument("--learning-rate", type=cli.positive_float, metavar="LR", help="peak learning rate")
    group.add_argument("--final-learning-rate", type=cli.non_negative_float, metavar="LR", help="rate at the end")
    group.add_argument("--warmup-steps", type=cli.non_negative_int, metavar="N", help="steps to the peak")
    group.add_argument("--decay", choices=("sqrt", "linear", "cosine"), help="shape of the decay of the learning rate")
    group.add_argument(
        "--decay-share", type=cli.fraction, metavar="X", help="share of all steps, at the end, that decay: 0 to 1"
    )
    group.add_argument("--batch-tokens", type=cli.positive_int, metavar="N", help="tokens per step")
    group.add_argument("--seq-length", type=cli.positive_int, metavar="N", help="tokens per sequence")
    group.add_argument(
        "--accumulate", type=cli.positive_int, metavar="N", help="split a step into N parts, to save memory"
    )
    group.add_argument("--weight-decay", type=cli.non_negative_float, metavar="X", help="weight decay of matrices")
    group.add_argument("--grad-clip", type=cli.positive_float, metavar="X", help="maximum norm of the gradient")
    group.add_argument("--dropout", type=cli.non_negative_float, metavar="X", help="dropout of attention and residuals")
    group.add_argument(
        "--label-smoothing", type=cli.non_negative_float, metavar="X", help="share of a target spread over all tokens"
    )
    group.add_argument(
        "--ema-decay", type=cli.non_negative_float, metavar="X", help="decay of averaged weights, such as 0.999"
    )
    group.add_argument(
        "--seed",
        type=cli.seed,
        default=0,
        metavar="N",
        help="random seed of weights, data order and dropout (default: 0)",
    )


def _add_teacher(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--teacher",
        type=Path,
        metavar="PATH",
        help="also learn from a trained model: a checkpoint, or a folder of transformers, with the same tokenizer; "
        "--flops includes its cost",
    )
    for flag, kind, letter, text in (
        ("--teacher-share", cli.fraction, "X", "share of the loss"),
        ("--teacher-temperature", cli.positive_float, "T", "temperature of both models"),
        ("--teacher-top-k", cli.positive_int, "K", "most probable tokens of the teacher"),
    ):
        default = TEACHER_DEFAULTS[flag.removeprefix("--").replace("-", "_")]
        group.add_argument(flag, type=kind, metavar=letter, help=f"{text} (default: {default:g})")


def _add_run(group: argparse._ArgumentGroup) -> None:
    where = group.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME-ARCHITECTURE)")
    where.add_argument("--experiment-name", type=cli.plain_name, metavar="NAME", help="the same as --out runs/NAME")
    group.add_argument(
        "--evaluate-every",
        type=cli.positive_int,
        metavar="N",
        help="steps between evaluations (default: a 20th of all, or more)",
    )
    group.add_argument("--keep", type=cli.positive_int, default=2, metavar="N", help="checkpoints to keep (default: 2)")
    group.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    group.add_argument(
        "--compile",
        action="store_true",
        help="use torch.compile: takes seconds to minutes, faster in a long run; needs a C++ compiler",
    )
    group.add_argument("--estimate", action="store_true", help="print the estimated time and memory, then exit")
    group.add_argument("--quiet", action="store_true", help="print only the result")
    group.add_argument("--json", action="store_true", help="print the result as one JSON object")
