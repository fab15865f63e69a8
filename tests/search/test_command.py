from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas import __main__
from nas.architecture.config import ArchitectureConfig
from nas.audit import __main__ as audit
from nas.corpus import __main__ as corpus
from nas.data.prepared import PreparedData
from nas.evaluate import __main__ as evaluate
from nas.export import __main__ as export
from nas.play import __main__ as play
from nas.records.holdout_comparison import comparison_of
from nas.records.study import read_study
from nas.report import __main__ as report
from nas.search import __main__ as search
from nas.search.folder import StudyFolder
from nas.tokenizer import __main__ as tokenizer
from nas.tokenizer.vocabulary import Vocabulary
from nas.train import __main__ as train
from tests.helpers.flags import flags_of
from tests.helpers.spaces import FOUR, write_space
from tests.helpers.study_commands import (
    ENVIRONMENT,
    Ran,
    alive_in_group,
    finish,
    kill_group,
    num_ended,
    ran,
    reproducible,
    start,
    trials,
    wait_until,
)

BUDGET = 8


@pytest.fixture(scope="module", autouse=True)
def _passive_threads() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def flags(data: PreparedData, corpus_folder: Path) -> list[str]:
    """Return the flags of a tiny search with one worker on prepared data."""
    return ["--space", "tiny", "--corpus", str(corpus_folder), "--workers", "1"]


@pytest.fixture(scope="module")
def uninterrupted(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """Return the folder and the output of a whole search in its own process."""
    out = tmp_path_factory.mktemp("uninterrupted")
    return out / "tiny", finish(start([*flags, "--budget", str(BUDGET), "--out", str(out), "--json"]))


@pytest.fixture
def copied(uninterrupted: tuple[Path, Ran], tmp_path: Path) -> Path:
    """Return a copy of the whole study in a folder of the test."""
    return Path(shutil.copytree(uninterrupted[0], tmp_path / "out" / "tiny"))


@pytest.fixture
def run(flags: list[str], capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Return a function that runs nas.search in this process; later flags override the usual ones."""
    return lambda *more: ran(search.main, "nas.search", [*flags, *map(str, more)], capfd)


def selected_trial(folder: Path) -> int:
    """Return the trial that the verdict selects: the smallest that does not differ significantly from the best."""
    comparison = comparison_of(read_study(folder / "study.json"), trials(folder), 0.25)
    assert comparison is not None
    return comparison.chosen


def verdict(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "study.json").read_text())["verdict"])


# Output of a whole search


def test_json_is_the_only_thing_on_stdout(uninterrupted: tuple[Path, Ran]) -> None:
    folder, end = uninterrupted
    assert end.code == 0, end.err
    printed = json.loads(end.out)
    assert (printed["study"], printed["folder"]) == ("tiny", str(folder))
    assert (printed["ended"], printed["complete"]) == (BUDGET, BUDGET)
    assert (printed["was_complete"], printed["used_up"]) == (False, False)
    assert printed["best"]["number"] == min(trials(folder), key=lambda record: record.fitness or 0).number
    assert Path(printed["arch_json"]).is_file() and Path(printed["report"]).is_file()
    assert "trial 0  started" in end.err


def test_every_trial_is_a_record_and_in_the_database(uninterrupted: tuple[Path, Ran]) -> None:
    folder, _ = uninterrupted
    records = trials(folder)
    assert [record.number for record in records] == list(range(BUDGET))
    assert [record.reference for record in records[:4]] == ["origin", "gpt2", "llama", None]
    assert len({record.architecture.id for record in records}) == BUDGET
    stored = optuna.load_study(study_name="tiny", storage=f"sqlite:///{folder / 'study.db'}").trials
    assert [record.value for record in stored] == [record.fitness for record in records]
    for record in records:
        assert record.fitness == pytest.approx((record.val_bpb or 0) + 0.25 * (record.collapse_rate or 0))
        assert record.measured is not None and record.measured.total_seconds > 0


def test_the_exported_architecture_loads_with_its_tokenizer(uninterrupted: tuple[Path, Ran]) -> None:
    folder, _ = uninterrupted
    best = trials(folder)[selected_trial(folder)]
    paths = [folder / "arch.json", *(folder / "front").iterdir()]
    assert ArchitectureConfig.load(paths[0]) == best.architecture
    for path in paths:
        architecture = ArchitectureConfig.load(path)
        exported = json.loads(path.read_text())
        record = trials(folder)[exported["provenance"]["trial"]]
        assert record.architecture == architecture
        assert Vocabulary.load(path.parent / exported["tokenizer"]).size == architecture.vocab_size
        assert exported["metrics"]["val_bpb"] == record.val_bpb
        assert exported["metrics"]["val_novel_bpb"] == record.val_novel_bpb is not None
        novel_bpbs = [result["metrics"]["novel_bpb"] for result in verdict(folder) if result["number"] == record.number]
        expected = pytest.approx(sum(novel_bpbs) / 2) if novel_bpbs else None
        assert exported["metrics"].get("holdout_novel_bpb") == expected
        assert exported["recipe"]["lr_multiplier"] == record.lr_multiplier


def non_dominated(points: dict[int, tuple[float, ...]]) -> set[int]:
    """Return the numbers of points that no other point dominates."""
    return {
        number
        for number, point in points.items()
        if not any(
            all(a <= b for a, b in zip(other, point, strict=True)) and other != point for other in points.values()
        )
    }


def test_the_front_has_the_trials_that_no_other_dominates(uninterrupted: tuple[Path, Ran]) -> None:
    folder, end = uninterrupted
    points = {
        record.number: (record.val_bpb or 0, record.collapse_rate or 0, record.architecture.num_params)
        for record in trials(folder)
    }
    expected = non_dominated(points)
    assert 1 <= len(expected) < BUDGET
    assert {int(path.stem.removeprefix("trial-")) for path in (folder / "front").iterdir()} == expected
    assert set(json.loads(end.out)["front"]) == expected


def test_the_verdict_is_on_the_best_and_the_references_with_fresh_seeds(uninterrupted: tuple[Path, Ran]) -> None:
    folder, end = uninterrupted
    ranked = [record.number for record in sorted(trials(folder), key=lambda record: (record.fitness, record.number))]
    results = verdict(folder)
    expected = ranked[:2] + [number for number in range(3) if number not in ranked[:2]]
    assert [result["number"] for result in results] == [number for number in expected for _ in range(2)]
    seeds = {result["seed"] for result in results}
    assert len(seeds) == 2 and 0 not in seeds
    for result in results:
        metrics = result["metrics"]
        collapse = max(metrics["sampled_collapse_rate"], metrics["greedy_collapse_rate"])
        assert result["fitness"] == pytest.approx(metrics["bpb"] + 0.25 * collapse)
        assert metrics["num_prompts"] == 16
    kept = {path.stem for path in (folder / "weights").iterdir()}
    assert kept == {f"{result['number']:04d}-seed{result['seed']}" for result in results}
    assert json.loads(end.out)["verdict"] == results


def test_a_report_ranks_again_at_another_weight(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    end = ran(report.main, "nas.report", [str(copied), "--collapse-weight", "3", "--json"], capfd)
    assert end.code == 0, end.err
    fitness = {record.number: (record.val_bpb or 0) + 3 * (record.collapse_rate or 0) for record in trials(copied)}
    ranking = json.loads(end.out)["ranking"]
    assert [entry["number"] for entry in ranking] == sorted(fitness, key=lambda number: (fitness[number], number))
    assert [entry["fitness"] for entry in ranking] == pytest.approx(sorted(fitness.values()))


# Resuming


def test_a_complete_study_says_so_and_trains_nothing(copied: Path, run: Callable[..., Ran]) -> None:
    before = (copied / "trials.jsonl").read_bytes()
    end = run("--budget", BUDGET, "--out", copied.parent)
    assert end.code == 0
    assert f"study 'tiny' is complete with {BUDGET} trials; extend it with a larger --budget" in end.out
    assert "or start another with --name" in end.out
    assert "started" not in end.out + end.err
    assert "judging" not in end.out + end.err
    assert (copied / "trials.jsonl").read_bytes() == before


def test_extending_a_study_ends_where_one_run_would_have(
    uninterrupted: tuple[Path, Ran], tmp_path: Path, run: Callable[..., Ran]
) -> None:
    """This also shows that two runs with one seed are equal."""
    first = run("--budget", 4, "--out", tmp_path, "--quiet")
    assert first.code == 0 and "started" not in first.out + first.err and first.err == ""
    assert len(trials(tmp_path / "tiny")) == 4
    assert run("--budget", BUDGET, "--out", tmp_path).code == 0
    assert reproducible(tmp_path / "tiny") == reproducible(uninterrupted[0])
    assert verdict(tmp_path / "tiny") == verdict(uninterrupted[0])


def test_another_seed_trains_other_weights_and_proposes_other_architectures(
    uninterrupted: tuple[Path, Ran], tmp_path: Path, run: Callable[..., Ran]
) -> None:
    assert run("--budget", 4, "--out", tmp_path, "--seed", 1, "--no-samples").code == 0
    mine, other = trials(tmp_path / "tiny"), trials(uninterrupted[0])
    assert [record.architecture for record in mine[:3]] == [record.architecture for record in other[:3]]
    assert all(a.val_bpb != b.val_bpb for a, b in zip(mine, other, strict=False))
    assert mine[3].architecture != other[3].architecture
    assert not (tmp_path / "tiny" / "samples").exists()
    assert (uninterrupted[0] / "samples" / "0000.jsonl").is_file()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (["--seed", "1"], "seed: stored 0, requested 1"),
        (["--trial-flops", "4e9"], "space.training.trial_flops: stored 3000000000.0, requested 4000000000.0"),
        (["--exportable"], "space.constraints.exportable: stored None, requested True"),
        (["--collapse-weight", "2"], "space.evaluation.collapse_weight: stored 0.25, requested 2.0"),
        (["--corpus", "{other}"], "corpus.content_hash: stored "),
        (["--space", "{space}"], "space.search.num_layers"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_study_with_other_settings_cannot_be_resumed(
    copied: Path, corpus_folder: Path, tmp_path: Path, run: Callable[..., Ran], changed: list[str], named: str
) -> None:
    other = shutil.copytree(corpus_folder, tmp_path / "other")
    (other / "more.py").write_text("x = 1\n")
    shipped = Path(search.__file__).parents[2] / "search_spaces" / "tiny.toml"
    space = tmp_path / "tiny.toml"
    space.write_text(shipped.read_text().replace("num_layers = { min = 1, max = 2 }", "num_layers = [1, 2]"))
    before = (copied / "trials.jsonl").read_bytes()
    end = run(
        "--budget",
        BUDGET + 1,
        "--out",
        copied.parent,
        *(argument.format(other=other, space=space) for argument in changed),
    )
    assert end.code == 1
    assert "study 'tiny' was made with other settings" in end.error
    assert named in end.error
    assert "--name" in end.error
    assert (copied / "trials.jsonl").read_bytes() == before


def test_a_search_that_uses_up_its_space_writes_every_file(tmp_path: Path, run: Callable[..., Ran]) -> None:
    space = write_space(FOUR.replace("[1, 2]", "1"), tmp_path)
    end = run("--space", space, "--budget", 30, "--out", tmp_path)
    assert end.code == 0, end.err
    assert "no other legal architecture: 2 trials" in end.out
    folder = tmp_path / "mine"
    assert len(trials(folder)) == 2
    assert (folder / "arch.json").is_file() and (folder / "report.html").is_file()
    assert len(verdict(folder)) == 4
    stored = optuna.load_study(study_name="mine", storage=f"sqlite:///{folder / 'study.db'}").trials
    assert [record.state.name for record in stored] == ["COMPLETE"] * 2


# Kills and signals


def assert_whole_after_kills(folder: Path, uninterrupted: Path) -> None:
    """Check that every trial is there once, as without a kill."""
    assert reproducible(folder) == reproducible(uninterrupted)
    states = [trial.state.name for trial in optuna.load_study(study_name="tiny", storage=database(folder)).trials]
    assert states == ["COMPLETE"] * len(states)
    assert not list(folder.rglob("*.tmp"))
    assert len({path.name for path in (folder / "samples").iterdir()}) == len(states)


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def kill_at(moment: Callable[[], bool], delay: float, argv: list[str], *, driver_only: bool = False) -> None:
    process = start(argv)
    try:
        wait_until(moment, process)
        time.sleep(delay)
        if driver_only:
            process.kill()
            process.wait()
            wait_until(lambda: not alive_in_group(process))
    finally:
        kill_group(process)


def test_a_search_killed_twice_ends_as_if_it_had_not_been(
    flags: list[str], uninterrupted: tuple[Path, Ran], tmp_path: Path
) -> None:
    """Kill all processes while the database is created, then only the driver, whose worker must end too."""
    argv = [*flags, "--budget", str(BUDGET), "--out", str(tmp_path)]
    folder = tmp_path / "tiny"
    delay = random.random() * 0.3
    print(f"delay {delay:.3f} s")  # shown when the test fails
    kill_at((folder / "study.db").exists, delay, argv)
    kill_at(lambda: num_ended(folder) >= 3, delay, argv, driver_only=True)
    survived = reproducible(folder)
    assert 3 <= len(survived) < BUDGET
    end = finish(start(argv))
    assert end.code == 0, end.err
    assert reproducible(folder)[: len(survived)] == survived
    assert_whole_after_kills(folder, uninterrupted[0])


@pytest.mark.slow
def test_forty_trials_survive_five_kills_at_random_moments(flags: list[str], tmp_path: Path) -> None:
    argv = [*flags, "--budget", "40"]
    whole = finish(start([*argv, "--out", str(tmp_path / "whole")]))
    assert whole.code == 0, whole.err
    folder = tmp_path / "killed" / "tiny"
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for step in range(5):
        min_ended = 7 * step
        kill_at(
            lambda min_ended=min_ended: num_ended(folder) >= min_ended,  # type: ignore[misc]
            rng.random() * (4 if step == 0 else 1),
            [*argv, "--out", str(tmp_path / "killed")],
            driver_only=step == 2,
        )
    end = finish(start([*argv, "--out", str(tmp_path / "killed")]))
    assert end.code == 0, end.err
    assert_whole_after_kills(folder, tmp_path / "whole" / "tiny")
    assert len(trials(folder)) == 40


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_signal_stops_at_once_and_the_message_tells_how_to_resume(
    flags: list[str], tmp_path: Path, run: Callable[..., Ran], sent: signal.Signals, code: int
) -> None:
    """Send the signal during a long trial; meanwhile a second start is refused with the process id."""
    argv = [*flags, "--budget", "40", "--trial-flops", "1e13", "--out", str(tmp_path)]
    process = start(argv)
    assert process.stdout is not None
    try:
        lines = []
        while not (lines and "trial 0  started" in lines[-1]):
            lines.append(process.stdout.readline())
            assert lines[-1], process.communicate()
        second = run("--budget", 40, "--trial-flops", "1e13", "--out", tmp_path)
        assert second.code == 1
        assert f"study 'tiny' is being run by process {process.pid}; wait for it, stop it" in second.error
        sent_at = time.monotonic()
        os.killpg(process.pid, sent)
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - sent_at < 10
        wait_until(lambda: not alive_in_group(process))
    finally:
        kill_group(process)
    assert process.returncode == code
    assert err == (
        f"\nstopped: 0 trials have ended and none is lost; resume with: python -m nas.search {' '.join(argv)}\n"
    )
    assert not (tmp_path / "tiny" / "running.pid").exists()


def test_a_full_disk_is_one_line_and_costs_no_ended_trial(
    flags: list[str], copied: Path, run: Callable[..., Ran]
) -> None:
    """Simulate a full disk by a limit on file sizes: the database has no room for the next trials."""
    limit = (copied / "study.db").stat().st_size + 4096
    prelude = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    before = reproducible(copied)
    argv = [*flags, "--budget", str(BUDGET + 2), "--out", str(copied.parent)]
    end = finish(start(argv, prelude))
    assert end.code == 1
    assert "free some space" in end.error
    assert reproducible(copied)[:BUDGET] == before
    assert run("--budget", BUDGET + 2, "--out", copied.parent).code == 0
    assert reproducible(copied)[:BUDGET] == before
    assert len(trials(copied)) == BUDGET + 2


def test_no_space_for_a_first_file_is_one_line(flags: list[str], tmp_path: Path) -> None:
    prelude = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"
    end = finish(start([*flags, "--budget", "4", "--out", str(tmp_path)], prelude))
    assert end.code == 1
    assert "free some space" in end.error


# Bad input


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        (["--bugdet", "4"], ["unrecognized", "--bugdet 4"]),
        (["--budge", "4"], ["unrecognized", "--budge 4"]),
        (["--budget", "0"], ["--budget", "at least 1", "'0'"]),
        (["--budget", "many"], ["--budget", "number", "'many'"]),
        (["--workers", "-1"], ["--workers", "at least 1", "'-1'"]),
        (["--hours", "0"], ["--hours", "above 0", "'0'"]),
        (["--trial-flops", "nan"], ["--trial-flops", "number", "'nan'"]),
        (["--collapse-weight", "-1"], ["--collapse-weight", "at least 0", "'-1'"]),
        (["--seed", "1.5"], ["--seed"]),
        (["--rungs", "9"], ["[training] num_rungs", "less than or equal to 8"]),
        (["--target-flops", "1e3"], ["--target-flops 1000", "3e+09"]),
        (["--sampler", "tpa"], ["unknown sampler 'tpa'", "did you mean 'tpe'?"]),
        (["--sampler", "law", "--objectives", "val_bpb,num_params"], ["law", "'val_bpb,num_params'", "tpe, gp, "]),
        (["--space", "tny"], ["unknown search space 'tny'", "did you mean 'tiny'?"]),
        (["--space", "absent.toml"], ["no search space at absent.toml"]),
        (["--name", "a/b"], ["--name", "'a/b'"]),
        (["--name", ".."], ["--name", "'..'"]),
        (["--corpus", "/absent"], ["corpus", "/absent"]),
        (["--device", "tpu"], ["device", "'tpu'"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_two(
    tmp_path: Path, run: Callable[..., Ran], given: list[str], facts: list[str]
) -> None:
    end = run("--out", tmp_path, *given)
    assert (end.code, end.out.replace("reading the corpus\n", "")) == (2, "")
    assert end.error.startswith("nas.search: error: ")
    assert [fact for fact in facts if fact not in end.error] == [], end.error
    assert not list(tmp_path.rglob("study.db"))


def test_a_missing_gpu_is_wrong_usage(tmp_path: Path, run: Callable[..., Ran]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    end = run("--out", tmp_path, "--device", "cuda")
    assert end.code == 2
    assert "CUDA" in end.error
    assert "--device cpu or auto" in end.error


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        (
            "head_dim = 16",
            "num_layer = 3",
            "[search] unknown key 'num_layer'; did you mean 'num_layers'?",
        ),
        ("[training]", "[trainin]", "unknown section 'trainin'; did you mean 'training'?"),
        ("hidden_dim = [32, 64]", "hidden_dim = [32, 50]", "hidden_dim 50 is not a multiple of head_dim 16"),
        ("vocab_size = 256", "vocab_size = 100", "vocab_size is 256 (bytes) to 65536"),
        ("num_layers = [1, 2]", "num_layers = []", "num_layers: an empty list"),
        ("num_layers = [1, 2]", "num_layers = [1,", "mine.toml"),
        ("batch_tokens = 512", "batch_tokens = 500", "batch_tokens 500 is not a multiple of max_seq_length 64"),
    ],
    ids=["key", "section", "head", "vocabulary", "empty", "syntax", "batch"],
)
def test_an_invalid_space_file_is_named(tmp_path: Path, run: Callable[..., Ran], old: str, new: str, fact: str) -> None:
    end = run("--space", write_space(FOUR.replace(old, new), tmp_path), "--out", tmp_path)
    assert end.code == 2
    assert "mine.toml" in end.error and fact in end.error


def test_a_space_of_which_nothing_is_exportable_is_one_line(tmp_path: Path, run: Callable[..., Ran]) -> None:
    alibi = FOUR.replace("head_dim = 16", 'head_dim = 16\nposition_encoding = "alibi"')
    end = run("--space", write_space(alibi, tmp_path), "--exportable", "--out", tmp_path, "--dry-run")
    assert end.code == 2
    assert end.error == (
        "nas.search: error: nothing in the space 'mine' is exportable: no class of transformers represents "
        "gelu rmsnorm alibi exactly; use position_encoding rope"
    )


def test_a_space_without_a_legal_architecture_is_one_line(tmp_path: Path, run: Callable[..., Ran]) -> None:
    space = write_space(FOUR.replace("1_000_000", "1_000"), tmp_path)
    end = run("--space", space, "--out", tmp_path, "--budget", 3)
    assert end.code == 2
    assert "no legal architecture in 5,000 draws from the space; widen it" in end.error


def test_a_flag_that_the_local_engine_ignores_is_refused(tmp_path: Path, run: Callable[..., Ran]) -> None:
    end = run("--out", tmp_path, "--gpus-per-trial", 0.5, "--dry-run")
    assert end.code == 2
    assert "--gpus-per-trial" in end.error and "--engine ray" in end.error and "\n" not in end.error


def test_a_ray_cluster_that_cannot_be_reached_is_one_line(tmp_path: Path, run: Callable[..., Ran]) -> None:
    end = run("--out", tmp_path, "--engine", "ray", "--address", "127.0.0.1:9")
    assert end.code == 1
    assert "cannot join the Ray cluster at 127.0.0.1:9: " in end.error and "Connection refused" in end.error


def test_a_dry_run_prints_the_resources_requested_from_ray(tmp_path: Path, run: Callable[..., Ran]) -> None:
    end = run("--out", tmp_path, "--engine", "ray", "--address", "a:1", "--cpus-per-trial", 2, "--dry-run")
    assert end.code == 0
    assert "workers       1 at most, with 2 CPUs, on cpu, 2 torch threads each" in end.out


@pytest.mark.parametrize("kind", ["empty folder", "binary", "small"])
def test_a_corpus_that_cannot_be_used_is_one_line(tmp_path: Path, run: Callable[..., Ran], kind: str) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    if kind == "binary":
        (corpus / "a.py").write_bytes(bytes(range(256)) * 400)
    elif kind == "small":
        (corpus / "a.py").write_text("x = 1\n")
    end = run("--corpus", corpus, "--out", tmp_path)
    assert end.code == 2
    assert str(corpus) in end.error
    assert not (tmp_path / "tiny" / "study.db").exists()


def test_a_corpus_without_python_is_refused_before_any_training(tmp_path: Path, run: Callable[..., Ran]) -> None:
    lines = (f"Line {number} says: why not go (and when?\n" for number in range(40_000))
    (tmp_path / "prose.txt").write_text("".join(lines))
    end = run("--corpus", tmp_path / "prose.txt", "--out", tmp_path)
    assert end.code == 2
    assert "only 0 different prompts of 24 bytes" in end.error
    assert not (tmp_path / "tiny" / "study.db").exists()


def test_an_out_that_cannot_be_written_is_one_line(tmp_path: Path, run: Callable[..., Ran]) -> None:
    (tmp_path / "file").write_text("")
    end = run("--out", tmp_path / "file" / "below")
    assert end.code == 1
    assert "cannot write the study folder" in end.error and "--out" in end.error


@pytest.mark.parametrize("damage", ["garbage", "emptied", "gone", "cut at 10%", "cut at 50%", "cut at 90%"])
def test_a_damaged_database_is_one_line_and_trials_jsonl_stays(
    copied: Path, run: Callable[..., Ran], damage: str
) -> None:
    stored = copied / "study.db"
    content = stored.read_bytes()
    if damage == "gone":
        stored.unlink()
    elif damage == "garbage":
        stored.write_bytes(random.Random(0).randbytes(len(content)))
    else:
        share = 0 if damage == "emptied" else int(damage.removeprefix("cut at ").rstrip("%"))
        stored.write_bytes(content[: len(content) * share // 100])
    before = (copied / "trials.jsonl").read_bytes()
    end = run("--budget", BUDGET + 1, "--out", copied.parent)
    assert end.code == 1
    assert "study.db" in end.error and "start another study with --name" in end.error
    assert (copied / "trials.jsonl").read_bytes() == before
    stored.write_bytes(content)
    assert run("--budget", BUDGET, "--out", copied.parent).code == 0


def test_a_truncated_last_line_of_trials_jsonl_is_restored_from_the_database(
    copied: Path, run: Callable[..., Ran]
) -> None:
    path = copied / "trials.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert run("--budget", BUDGET, "--out", copied.parent).code == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["trials.jsonl", "study.json"])
def test_a_damaged_file_is_one_line_that_tells_what_to_do(copied: Path, run: Callable[..., Ran], name: str) -> None:
    path = copied / name
    path.write_text("{garbage\n" + path.read_text())
    damaged = path.read_bytes()
    end = run("--budget", BUDGET, "--out", copied.parent)
    assert end.code == 1
    assert f"{path}" in end.error and "remove it" in end.error
    assert path.read_bytes() == damaged
    before = reproducible(copied) if name == "study.json" else None
    path.unlink()
    assert run("--budget", BUDGET, "--out", copied.parent).code == 0
    assert len(trials(copied)) == BUDGET
    assert before is None or reproducible(copied) == before


def test_a_damaged_data_cache_is_built_again(
    copied: Path,
    data: PreparedData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., Ran],
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(data.folder, cache / data.folder.name)
    (cache / data.folder.name / "tokens" / "bytes" / "train.bin").write_bytes(b"cut")
    monkeypatch.setenv("CODENAS_CACHE", str(cache))
    end = run("--budget", BUDGET, "--out", copied.parent)
    assert end.code == 0, end.err
    assert "tokens/bytes/train.bin has 3 bytes" in end.out and "building it again" in end.out


def test_a_url_without_a_driver_is_one_line(tmp_path: Path, run: Callable[..., Ran]) -> None:
    end = run("--out", tmp_path, "--storage", "nonsense://host/name")
    assert end.code == 1
    assert "nonsense" in end.error


def test_a_folder_with_url_characters_in_its_name_holds_its_study(
    copied: Path, tmp_path: Path, run: Callable[..., Ran]
) -> None:
    """In a URL of a database `?` begins its options and `%41` means A."""
    odd = tmp_path / "a?b #%41"
    shutil.copytree(copied, odd / "tiny")
    assert StudyFolder(odd / "tiny").database_url.startswith("sqlite:///")
    end = run("--budget", BUDGET, "--out", odd)
    assert end.code == 0 and "is complete" in end.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a?b #%41", "out"]


# Commands


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path, run: Callable[..., Ran]) -> None:
    end = run("--out", tmp_path / "out", "--dry-run", "--budget", 12)
    assert end.code == 0
    assert "12 trials" in end.out and "bytes, bpe-512" in end.out
    assert list(tmp_path.iterdir()) == []
    as_json = json.loads(run("--out", tmp_path / "out", "--dry-run", "--json").out)
    assert as_json["budget"].startswith("40 trials")


FLAGS: dict[Any, set[str]] = {
    search: {
        *("--space", "--corpus", "--trial-flops", "--collapse-weight", "--seed", "--budget", "--hours", "--workers"),
        *("--device", "--name", "--out", "--storage", "--no-samples", "--dry-run", "--quiet", "--json", "--help"),
        *("--exportable", "--objectives", "--rungs", "--sampler", "--target-flops"),
        *("--engine", "--address", "--cpus-per-trial", "--gpus-per-trial"),
    },
    train: {
        *("--arch-json", "--max-steps", "--flops", "--corpus", "--out", "--learning-rate", "--batch-tokens"),
        *("--evaluate-every", "--seed", "--device", "--compile", "--quiet", "--json", "--help", "--tokenizer"),
        *("--train-path", "--val-path", "--use-tokens", "--recipe", "--final-learning-rate", "--warmup-steps"),
        *("--decay", "--decay-share", "--seq-length", "--accumulate", "--weight-decay", "--grad-clip", "--dropout"),
        *("--label-smoothing", "--ema-decay", "--experiment-name", "--keep", "--estimate"),
        *("--teacher", "--teacher-share", "--teacher-temperature", "--teacher-top-k"),
    },
    evaluate: {
        *("--completions", "--compare", "--protocol", "--prompts", "--num-prompts", "--device", "--save", "--json"),
        "--help",
    },
    export: {"--to", "--out", "--dtype", "--json", "--help"},
    play: {
        *("--temperature", "--greedy", "--top-p", "--top-k", "--max-bytes", "--seed", "--stop", "--num-samples"),
        *("--prompts", "--save", "--json", "--device", "--no-history", "--help"),
    },
    report: {
        *("--collapse-weight", "--out", "--png", "--json", "--help"),
        *("--format", "--no-samples", "--text", "--list", "--study"),
    },
    audit: {"--model", "--vocab-size", "--seq-len", "--corpus", "--train", "--json", "--help"},
    corpus: {"--out", "--split", "--seed", "--json", "--help"},
    tokenizer: {"--corpus", "--out", "--json", "--help"},
}


@pytest.mark.parametrize("command", FLAGS, ids=lambda module: module.__name__)
def test_the_flags_of_a_command_are_these(command: Any) -> None:
    flags = flags_of(command.parser())
    assert {flag for flag in flags if flag.startswith("--")} == FLAGS[command]


def test_nas_lists_and_runs_its_commands(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def nas(*argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *argv])
        terminate = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as exit:
            __main__.main()
        signal.signal(signal.SIGTERM, terminate)
        return int(exit.value.code or 0), *capfd.readouterr()

    assert __main__.COMMANDS.keys() == {
        *("search", "report", "train", "export", "play", "evaluate", "audit", "tokenizer", "corpus"),
    }
    code, out, _ = nas("--help")
    assert code == 0 and all(f"\n  {name} " in out for name in __main__.COMMANDS)
    code, out, err = nas("report", str(copied))
    assert (code, err) == (0, "") and out.startswith(f"study tiny: {BUDGET} trials ended")
    code, _, err = nas("serach")
    assert code == 2 and "unknown command 'serach'; did you mean 'search'?" in err


@pytest.mark.parametrize("command", [*(f"nas.{name}" for name in __main__.COMMANDS), "nas"])
def test_help_imports_neither_torch_nor_optuna(command: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{command}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('{command}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "print(sorted({'torch', 'optuna', 'plotly', 'tokenizers', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[0].startswith("usage: ")
    assert shown.splitlines()[-1] == "[]"
