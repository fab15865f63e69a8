"""The command `python -m benchmarks.table`: write the tables of benchmarks/README.md from the JSON files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER, parser, read_result
from experiments.document import markdown, write_tables
from nas import cli

PAGE = Path(__file__).with_name("README.md")

WORKER_COLUMNS = {
    "workers of one thread": ("workers", "d"),
    "trials": ("trials_with_times", "d"),
    "seconds": ("seconds", ".0f"),
    "share of training in a trial": ("training_share", ".0%"),
    "trials per hour": ("trials_per_hour", ".1f"),
}
"""The headers of the columns, with the key of a search and its number format."""

Result = Mapping[str, Any]


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("table", "Write the tables of benchmarks/README.md again.")
    arguments_parser.add_argument(
        "--page", type=Path, default=PAGE, metavar="FILE", help="(default: benchmarks/README.md)"
    )
    arguments = arguments_parser.parse_args(argv)
    write_tables(arguments.page, "tables", page(arguments.out))
    print(f"wrote {arguments.page}")
    return 0


def page(folder: Path = FOLDER) -> str:
    """Return the tables of every script with a result in `folder`, in the order of `make bench`."""
    files = {name: folder / f"{name}.json" for name in TABLES}
    sections = [f"### {name}\n\n{tables(name, read_result(path))}" for name, path in files.items() if path.exists()]
    return "\n\n".join(sections) or "No results yet."


def tables(name: str, result: Result) -> str:
    """Return the tables of the script `name` below its command, machine, versions and date."""
    return f"{describe_run(result)}\n\n{TABLES[name](result)}"


def describe_run(result: Result) -> str:
    machine, versions = result["machine"], result["versions"]
    libraries = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "transformers"))
    gpu = machine.get("gpu", "no GPU")
    return (
        f"`{result['command']}`: {machine['processor']}, {machine['cores']} cores, {gpu}, {machine['system']}; "
        f"{libraries}; {result['date'][:10]}."
    )


def training_step(result: Result) -> str:
    summary = (
        f"Milliseconds per step: median (min-max) of {result['rounds']} rounds; ratios are those of each round. "
        f"Losses are those after {result['quality_steps']} steps; ours is relative to the peer's in float32."
    )
    return "\n\n".join(
        [summary, best_settings(result), "Every setting:", every_setting(result), "The peaks:", peaks(result)]
    )


def best_settings(result: Result) -> str:
    """Compare ours with the fastest eager peer that trains as well, and the compiled contenders with each other."""
    rows = []
    for case in result["cases"]:
        ours, ours_compiled, *peers = case["contenders"]
        eager = [peer for peer in peers if peer["trains_as_well"] and not peer["compiled"]]
        best = min(eager, key=lambda peer: peer["seconds"]["median"])
        compiled = next(peer for peer in peers if peer["compiled"])
        row = [case["shape"], str(case["threads"]), milliseconds(ours)]
        row += [f"{best['name']}: {milliseconds(best)}", f"**{times(best)}**"]
        row += [milliseconds(ours_compiled), milliseconds(compiled), f"**{times(compiled, 'times_ours_compiled')}**"]
        row += [f"{ours['peak_share']:.0%}", f"{ours['loss'] / case['peer_fp32_loss'] - 1:+.2%}"]
        rows.append(row)
    header = ["shape", "threads", "ours, ms", "peer's fastest eager that trains as well, ms", "times ours"]
    header += ["ours compiled, ms", "peer compiled, ms", "times ours compiled", "our share of the peak", "our loss"]
    return markdown(header, rows)


def every_setting(result: Result) -> str:
    rows = []
    for case in result["cases"]:
        for contender in case["contenders"]:
            row = [case["shape"], str(case["threads"]), contender["name"], milliseconds(contender)]
            row += [
                f"{contender['tokens_per_second']:,.0f}",
                f"{contender['peak_share']:.0%}",
                f"{contender['loss']:.4f}",
            ]
            row += ["yes" if contender["trains_as_well"] else "no", times(contender)]
            rows.append(row)
    header = ["shape", "threads", "contender", "ms", "tokens/s", "share of the peak", "loss", "trains as well"]
    return markdown([*header, "times ours"], rows)


def peaks(result: Result) -> str:
    numbers = ("fp32", "bf16")
    rows = [
        [case["shape"], str(case["threads"]), *(f"{case['peak_flops'][kind] / 1e9:.0f}" for kind in numbers)]
        for case in result["cases"]
    ]
    return markdown(["shape", "threads", *(f"{kind} product, GFLOP/s" for kind in numbers)], rows)


def memory(result: Result) -> str:
    ours = result["contenders"][0]["peak_bytes"]
    rows = [
        [
            contender["name"],
            gigabytes(contender["imported_bytes"]),
            gigabytes(contender["peak_bytes"]),
            f"{contender['peak_bytes'] / ours:.2f}",
        ]
        for contender in result["contenders"]
    ]
    summary = f"{result['shape']}, {result['steps']} steps on {result['threads']} threads, a fresh process each."
    return f"{summary}\n\n{markdown(['contender', 'after imports, GB', 'peak, GB', 'times ours'], rows)}"


def generation(result: Result) -> str:
    summary = (
        f"{result['prompts']} prompts x {result['new_tokens']} tokens, {result['shape']} after "
        f"{result['training_steps']} training steps. Milliseconds for all: median (min-max) of {result['rounds']} "
        "rounds; ratios are those of each round."
    )
    return "\n\n".join([summary, best_peers(result), "Every setting:", every_peer(result)])


def best_peers(result: Result) -> str:
    """Compare ours with the peer's fastest setting in float32, like ours, and with its fastest of all."""
    rows = []
    for case in result["cases"]:
        ours, *peers = case["contenders"]
        same_precision = min(
            (peer for peer in peers if peer["name"].startswith("fp32")), key=lambda peer: peer["seconds"]["median"]
        )
        fastest = min(peers, key=lambda peer: peer["seconds"]["median"])
        row = [str(case["threads"]), case["decoding"], milliseconds(ours)]
        row += [f"{same_precision['name']}: {milliseconds(same_precision)}", f"**{times(same_precision)}**"]
        rows.append([*row, f"{fastest['name']}: {milliseconds(fastest)}", times(fastest)])
    header = ["threads", "decoding", "ours, ms", "peer's fastest in fp32, ms", "times ours"]
    return markdown([*header, "peer's fastest, ms", "times ours"], rows)


def every_peer(result: Result) -> str:
    rows = []
    for case in result["cases"]:
        for contender in case["contenders"]:
            row = [str(case["threads"]), case["decoding"], contender["name"], milliseconds(contender)]
            row += [f"{contender['tokens_per_second']:,.0f}", times(contender)]
            row += (
                [f"{contender['equal_share']:.1%}", f"{contender['largest_gap']:.2g}"]
                if "equal_share" in contender
                else ["", ""]
            )
            rows.append(row)
    header = ["threads", "decoding", "contender", "ms", "tokens/s", "times ours", "completions equal to ours"]
    return markdown([*header, "largest gap between logits at first differences"], rows)


def search_time(result: Result) -> str:
    study, total = result["study"], result["search_worker_seconds"]
    provenance = study["provenance"]
    rows = [[part, f"{seconds:,.0f}", f"{seconds / total:.1%}"] for part, seconds in result["parts"].items()]
    worst = max(result["vocabularies"], key=lambda entry: entry["not_training_share"])
    names = list(worst["parts"])
    each = [
        [entry["vocabulary"], str(entry["trials"]), f"{entry['seconds_per_trial']:.1f}"]
        + [f"{entry['parts'][name]:.1f}" for name in names]
        + [f"{entry['not_training_share']:.1%}"]
        for entry in result["vocabularies"]
    ]
    phases = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in study["wall_seconds"].items())
    return "\n\n".join(
        [
            f"Study '{study['name']}' of {provenance['date'][:10]}, {provenance['machine']['processor']}: "
            f"{study['trials']} trials of {study['trial_flops']:.2g} FLOPs in {study['numerics']['dtype']}, "
            f"{study['workers']} workers of {study['numerics']['threads']} threads. Wall time: {phases}.",
            f"**{result['not_training_share']:.1%}** of the workers' time is not training; within trials it is most "
            f"with **{worst['vocabulary']}**, {worst['not_training_share']:.1%}.",
            markdown(["part of the search", "worker-seconds", "share"], rows),
            markdown(["vocabulary", "trials", "seconds per trial", *names, "not training"], each),
            f"The detector takes {result['detection']['milliseconds']:.2f} ms per completion "
            f"({result['detection']['number']} of {result['detection']['texts']}).",
        ]
    )


def workers(result: Result) -> str:
    rows = [[f"{search[key]:{form}}" for key, form in WORKER_COLUMNS.values()] for search in result["searches"]]
    same = len({tuple(sorted(search["architectures"])) for search in result["searches"]}) == 1
    which = "the same" if same else "not the same"
    summary = (
        f"Trials of {result['trial_flops']:.2g} FLOPs, {which} architectures in all "
        f"searches. Two workers finish **{result['median_ratio']:.2f}** times the trials of one."
    )
    return f"{summary}\n\n{markdown(list(WORKER_COLUMNS), rows)}"


def startup(result: Result) -> str:
    rows = [
        [f"`{command['name']}`", str(result["rounds"]), seconds_of(command["seconds"], 3)]
        for command in result["commands"]
    ] + [
        [name, str(result["searches"]), seconds_of(result[key], 1)]
        for name, key in (
            ("launch of a search to its first trial, in whole seconds", "to_first_trial_seconds"),
            ("launch of a search to the end of its first training step, at most", "to_first_step_at_most_seconds"),
        )
    ]
    return markdown(["what", "times", "seconds: median (min-max)"], rows)


def corpus(result: Result) -> str:
    splits, builds, encoding, large = (result[key] for key in ("corpus", "builds", "encoding", "large"))
    splits = splits["splits"]
    megabytes = encoding["num_bytes"] / 1e6
    large_megabytes = large["num_bytes"] / 1e6
    rows = [
        measurement_row("python-100mb, from its wheels to the split", builds["build"], megabytes),
        measurement_row("again", builds["again"], megabytes),
        measurement_row(f"its {len(encoding['vocabularies'])} vocabularies trained, all encoded", encoding, megabytes),
        measurement_row(
            f"a text of random lines, to the split and {large['vocabulary']}", large["prepare"], large_megabytes
        ),
        measurement_row("an epoch of that text, read in batches", large["read"], large_megabytes),
    ]
    trained = result["vocabularies"]
    seconds = {name: seconds_of(spread, 1) for name, spread in trained["seconds"].items()}
    summary = (
        f"Anonymous memory is RssAnon, sampled. Training all {len(trained['sizes'])} vocabularies of `base` takes "
        f"{seconds['all']} s, the largest alone {seconds['alone']} s: **{times(trained, 'all_times_alone')}** times, "
        f"{result['rounds']} rounds. {splits['validation']['seen_line_share']:.1%} of the long lines of "
        f"validation and {splits['holdout']['seen_line_share']:.1%} of those of the holdout also occur in training."
    )
    return "\n\n".join([summary, markdown(["what", "MB", "seconds", "MB/s", "anonymous memory, GB"], rows)])


def engine(result: Result) -> str:
    rows = []
    for search in result["searches"]:
        for place, name in sorted({0: "first", len(search["engine_ms"]) - 1: "last"}.items()):
            ends = f"{name} {result['block']}" if len(search["engine_ms"]) > 1 else "all"
            figures = (f"{search['engine_ms'][place]:.1f}", f"{search['sampler_ms'][place]:.1f}")
            rows.append(
                [search["sampler"], str(search["trials"]), ends, *figures, f"{search['resident_mb'][place]:.0f}"]
            )
    summary = (
        "Trials pass through three rungs with an objective that takes no time, in a SQLite database. The time of the "
        "engine is everything except the proposal. Medians per trial."
    )
    header = ["sampler", "trials", "part of them", "engine, ms", "sampler, ms", "memory of the process, MB"]
    return "\n\n".join([summary, markdown(header, rows)])


def gpu(result: Result) -> str:
    summary = (
        f"Milliseconds per step: median (min-max) of {result['rounds']} rounds of {result['steps']} steps; ratios are "
        "of each round, of compiled ones to ours compiled. The peak is that of a square bf16 product."
    )
    rows = []
    for case in result["cases"]:
        for contender in case["contenders"]:
            row = [
                case["shape"],
                f"{case['num_params'] / 1e6:.2f}M",
                contender["name"],
                milliseconds(contender),
                times(contender),
            ]
            share = f"{contender['peak_share']:.1%} of {case['peak_flops'] / 1e12:.0f} TFLOP/s"
            rows.append([*row, f"{contender['tokens_per_second']:,.0f}", share])
    header = ["shape", "parameters", "contender", "ms", "times ours", "tokens/s", "share of the peak"]
    return f"{summary}\n\n{markdown(header, rows)}"


TABLES: dict[str, Callable[[Result], str]] = {
    "training_step": training_step,
    "memory": memory,
    "generation": generation,
    "search_time": search_time,
    "workers": workers,
    "startup": startup,
    "engine": engine,
    "corpus": corpus,
    "gpu": gpu,
}
"""The tables by script."""


def measurement_row(label: str, measured: Mapping[str, float], megabytes: float) -> list[str]:
    seconds = measured["seconds"]
    rate = megabytes / seconds
    return [label, f"{megabytes:,.0f}", f"{seconds:,.1f}", f"{rate:,.1f}", gigabytes(measured["anonymous_bytes"])]


def milliseconds(contender: Mapping[str, Any]) -> str:
    return seconds_of({name: 1000 * value for name, value in contender["seconds"].items()}, 0)


def seconds_of(spread: Mapping[str, float], digits: int) -> str:
    return f"{spread['median']:,.{digits}f} ({spread['min']:,.{digits}f}-{spread['max']:,.{digits}f})"


def times(contender: Mapping[str, Any], key: str = "times_ours") -> str:
    return seconds_of(contender[key], 2)


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f}"


if __name__ == "__main__":
    cli.run(main, "benchmarks.table")
