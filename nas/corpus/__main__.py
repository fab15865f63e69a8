"""The command `python -m nas.corpus`: build a corpus, or pin a package for a recipe."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from nas import cli

_EPILOG = """CORPUS is one of:
  a shipped recipe (stdlib, python-100mb), the TOML file of a recipe, a folder of Python code, a quoted glob pattern,
  a text file, or the manifest.json of a built corpus

The flag --corpus of other commands takes the same, and the folder of a built corpus."""


def parser() -> argparse.ArgumentParser:
    command_parser = cli.parser(
        "nas.corpus", "Build a corpus: read, clean, remove near-duplicates, split, and write a manifest."
    )
    commands = command_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build",
        help="build a corpus, unless the cache has it",
        description="Build a corpus, unless the cache has it. A second build needs no network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument("corpus", metavar="CORPUS", help="a recipe, or files of your own; see below")
    build.add_argument("--out", metavar="DIR", help="folder of the corpus (default: a folder in the cache)")
    build.add_argument(
        "--split",
        choices=("document", "package"),
        help="split by document, with near-duplicates on one side, or hold out whole packages (default: the recipe's)",
    )
    build.add_argument("--seed", type=cli.seed, metavar="N", help="random seed of the split (default: 0)")
    build.add_argument("--json", action="store_true", help="print the manifest")
    pin = commands.add_parser(
        "pin",
        help="print the [[sources]] table of a package for a recipe",
        description="Print the [[sources]] table of a package for a recipe.",
    )
    pin.add_argument(
        "requirement", metavar="PACKAGE==VERSION", help="a package with its version, as for pip; a wheel must exist"
    )
    return command_parser


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.command == "pin":
        from nas.corpus.pin import pin_package

        print(pin_package(arguments.requirement))
        return 0

    from nas.corpus.recipe import find_recipe
    from nas.data.prepare import prepare_corpus

    recipe = find_recipe(arguments.corpus)
    if arguments.split:
        recipe = recipe.model_copy(update={"split": recipe.split.model_copy(update={"by": arguments.split})})
    data = prepare_corpus(
        recipe,
        [],
        corpus=arguments.corpus,
        split_seed=arguments.seed or 0,
        folder=Path(arguments.out).expanduser() if arguments.out else None,
    )
    if arguments.json:
        print(json.dumps(data.manifest, indent=2))
    else:
        print_manifest(data.manifest, data.folder)
        # Without these flags, the given corpus alone finds what was built.
        has_defaults = arguments.split is arguments.seed is arguments.out is None
        corpus = arguments.corpus if has_defaults else str(data.folder)
        print(f"next        python -m nas.search --corpus {shlex.quote(corpus)}")
    return 0


def print_manifest(manifest: dict[str, Any], folder: Path) -> None:
    from nas.corpus.cleaning import EXCLUSION_REASONS

    counts = manifest["counts"]
    print(f"corpus      {manifest['recipe']['name']}, {manifest['content_hash'][:16]}")
    print(f"files       {counts['files_found']:,} found, {counts['kept']:,} documents kept")
    for reason, description in EXCLUSION_REASONS.items():
        if counts.get(reason):
            print(f"left out    {counts[reason]:>7,} {description}")
    for name, split in manifest["splits"].items():
        packages = manifest["packages"][name]
        largest = sorted(packages, key=lambda package: -packages[package]["bytes"])[:3]
        shares = ", ".join(f"{package} {packages[package]['bytes'] / split['bytes']:.0%}" for package in largest)
        print(f"{name:<11} {split['bytes'] / 1e6:>7.2f} MB in {split['documents']:,} documents; {shares}")
    similarity = manifest["similarity"]
    plain, copied_share = similarity["plain_split"], manifest["recipe"]["split"]["copied_share"]
    print(
        f"similar     training and evaluation documents are at most {similarity['train_to_evaluation_at_most']:.3f} "
        f"similar; in a plain random split, {plain['validation']['like_training']} of "
        f"{plain['validation']['documents']} validation documents would have a near-duplicate in training"
    )
    print(
        f"copied      at most {similarity['copied_share_at_most']:.0%} of an evaluation document occurs word for word "
        f"in training; {similarity['changed_sides']} documents over {copied_share:.0%} were moved to training"
    )
    for name in ("validation", "holdout"):
        share = manifest["splits"][name]["seen_line_share"]
        print(
            f"seen lines  {share:.1%} of the long lines of {name} also occur in training; in a plain random split "
            f"{plain[name]['seen_line_share']:.1%}"
        )
    print(f"folder      {folder}")


if __name__ == "__main__":
    cli.run(main, "nas.corpus")
