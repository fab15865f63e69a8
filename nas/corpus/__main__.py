"""`python -m nas.corpus`: build a corpus from a recipe, show one that was built, pin a package for a recipe."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from nas import cli

_EXAMPLES = """what a NAME is:
  a shipped recipe (stdlib, python-100mb), a recipe's TOML file, a folder, a quoted glob pattern, a text file,
  the manifest.json of a corpus that was built

nas.search and nas.train take the same as --corpus, and the folder of a corpus that was built."""


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.corpus", "Corpora: read, cleaned, without near-duplicates, split, written down.")
    commands = built.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build",
        help="build a corpus, or find it in the cache",
        description="Build a corpus, or find it in the cache. A second build touches no network.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument("name", metavar="NAME", help="a recipe, or files of your own; see below")
    build.add_argument("--out", metavar="DIR", help="folder of the corpus (default: one of the cache)")
    build.add_argument(
        "--split",
        choices=("document", "package"),
        help="split by documents, near-duplicates on one side, or hold whole packages out (default: the recipe's)",
    )
    build.add_argument("--seed", type=cli.seed, metavar="N", help="of the split (default: 0)")
    build.add_argument("--json", action="store_true", help="print the manifest")
    pin = commands.add_parser(
        "pin", help="print the [[sources]] table of a package", description="Print the [[sources]] table of a package."
    )
    pin.add_argument("requirement", metavar="PACKAGE==VERSION", help="as pip takes it; a wheel must exist")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.command == "pin":
        from nas.corpus.pin import pinned

        print(pinned(arguments.requirement))
        return 0

    from nas.corpus.recipe import find_recipe
    from nas.data.prepare import prepare_corpus

    recipe = find_recipe(arguments.name)
    if arguments.split:
        recipe = recipe.model_copy(update={"split": recipe.split.model_copy(update={"by": arguments.split})})
    data = prepare_corpus(
        recipe,
        [],
        source=arguments.name,
        split_seed=arguments.seed or 0,
        folder=Path(arguments.out).expanduser() if arguments.out else None,
    )
    if arguments.json:
        print(json.dumps(data.manifest, indent=2))
    else:
        print_manifest(data.manifest, data.folder)
        # The name alone stands for the recipe's split, in the cache.
        is_plain = arguments.split is arguments.seed is arguments.out is None
        corpus = arguments.name if is_plain else str(data.folder)
        print(f"next        python -m nas.search --corpus {shlex.quote(corpus)}")
    return 0


def print_manifest(manifest: dict[str, Any], folder: Path) -> None:
    from nas.corpus.cleaning import EXCLUSION_REASONS

    counts = manifest["counts"]
    print(f"corpus      {manifest['recipe']['name']}, {manifest['content_hash'][:16]}")
    print(f"files       {counts['files_found']:,} found, {counts['kept']:,} documents kept")
    for reason, words in EXCLUSION_REASONS.items():
        if counts.get(reason):
            print(f"left out    {counts[reason]:>7,} {words}")
    for name, split in manifest["splits"].items():
        packages = manifest["packages"][name]
        largest = sorted(packages, key=lambda one: -packages[one]["bytes"])[:3]
        shares = ", ".join(f"{one} {packages[one]['bytes'] / split['bytes']:.0%}" for one in largest)
        print(f"{name:<11} {split['bytes'] / 1e6:>7.2f} MB in {split['documents']:,} documents; {shares}")
    plain = manifest["similarity"]["plain_split"]
    print(
        f"similar     no training document over {manifest['similarity']['train_to_evaluation_at_most']:.3f} to one of "
        f"evaluation; split without care, {plain['validation']['like_training']} of validation's "
        f"{plain['validation']['documents']} would have a near-copy in training"
    )
    alike, most = manifest["similarity"], manifest["recipe"]["split"]["copied_share"]
    print(
        f"copied      at most {alike['copied_share_at_most']:.0%} of a document of evaluation stands word for word in "
        f"training; {alike['changed_sides']} that did so by {most:.0%} changed sides"
    )
    for name in ("validation", "holdout"):
        share = manifest["splits"][name]["seen_line_share"]
        print(
            f"seen lines  {share:.1%} of {name}'s long lines also stand in training; split without care "
            f"{plain[name]['seen_line_share']:.1%}"
        )
    print(f"folder      {folder}")


if __name__ == "__main__":
    cli.run(main, "nas.corpus")
