from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

import nas
from nas import cli
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import ArchitectureError, CheckpointError, CodenasError, CorpusError, UsageError
from nas.records.training import read_training_run
from nas.tokenizer.vocabulary import train_bpe
from nas.train import __main__ as train
from nas.train.run import FullTraining
from nas.training.recipe import learning_rate_rule
from nas.training.weights import load_weights, read_tensors
from tests.helpers.foreign_tokenizers import starcoder

VALUES: dict[str, Any] = {
    "arch_type": "transformer",
    "num_layers": 1,
    "hidden_dim": 16,
    "num_heads": 2,
    "ffn_multiplier": 1.0,
    "normalization": "rmsnorm",
    "activation": "gelu",
    "position_encoding": "rope",
    "attention_dropout": 0.1,
    "residual_dropout": 0.1,
    "vocab_size": 256,
    "max_seq_length": 64,
}
ARCHITECTURE = ArchitectureConfig(**VALUES)

# `python -m nas.train` in a process that sees one core, so that threads do not wait for each other on a busy machine.
ON_ONE_CORE = (
    sys.executable,
    "-c",
    """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
from nas import cli
from nas.train import __main__ as train
cli.run(train.main, "nas.train")
""",
)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("nas.system.machine.available_cores", lambda: 1)
    monkeypatch.chdir(tmp_path)


def write(path: Path, values: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def flags(arch_json: Path, corpus: Path, out: Path, *more: str) -> list[str]:
    settings = ["--arch-json", str(arch_json), "--corpus", str(corpus), "--out", str(out), "--device", "cpu"]
    length = [] if "--flops" in more or "--max-steps" in more else ["--max-steps", "20"]
    evaluations = [] if "--evaluate-every" in more else ["--evaluate-every", "10"]
    return [*settings, "--batch-tokens", "256", *length, *evaluations, *more]


def exported(data: PreparedData, corpus: Path, folder: Path, name: str = "bpe-512") -> Path:
    """Write an arch JSON as a search does, with its tokenizer."""
    (folder / "tokenizers").mkdir()
    data.vocabulary(name).save(folder / "tokenizers" / f"{name}.json")
    values = {
        "architecture": ARCHITECTURE.model_copy(update={"vocab_size": data.vocabulary_sizes[name]}).model_dump(),
        "vocabulary": name,
        "tokenizer": f"tokenizers/{name}.json",
        "recipe": {"rule": 1, "lr_multiplier": 1.5, "batch_tokens": 512, "seq_length": 32},
        "metrics": {"val_bpb": 1.0},
        "provenance": {"corpus": {"source": str(corpus), "content_hash": data.corpus_hash}},
    }
    return write(folder / "arch.json", values)


def test_the_origins_flat_json_trains_with_a_warning(
    data: PreparedData, corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arch_json = write(tmp_path / "origin.json", VALUES | {"quantization": "none", "pruning_ratio": 0.0})
    with pytest.warns(UserWarning, match="in the architecture is ignored") as warned:
        assert train.main(flags(arch_json, corpus_folder, tmp_path / "run")) == 0
    assert [str(warning.message).partition("'")[2].partition("'")[0] for warning in warned] == [
        "quantization",
        "pruning_ratio",
    ]
    out = capsys.readouterr().out
    for word in ("best        step ", "holdout     bpb ", "samples     ", "weights     ", "next        python -m "):
        assert f"\n{word}" in out
    assert out.count("completion starts after >>>") == 3
    samples = (tmp_path / "run" / "samples.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(samples) == 2 * 128
    text = nas.load(tmp_path / "run").complete("def ", seed=1)
    assert isinstance(text, str)
    assert nas.load(tmp_path / "run").complete("def ", seed=1) == text


def test_the_arch_json_of_a_search_gives_its_tokenizer_corpus_and_recipe(
    data: PreparedData, corpus_folder: Path, tmp_path: Path
) -> None:
    arch_json = exported(data, corpus_folder, tmp_path)
    assert train.main(["--arch-json", str(arch_json), "--max-steps", "5", "--device", "cpu", "--quiet"]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    architecture = ArchitectureConfig.load(arch_json)
    assert folder.name == f"arch-{architecture.id}"
    plan = json.loads((folder / "run.json").read_text())
    assert plan["corpus_hash"] == data.corpus_hash
    assert plan["recipe"]["learning_rate"] == 1.5 * learning_rate_rule(architecture)
    assert (plan["recipe"]["batch_size"], plan["recipe"]["seq_length"], plan["recipe"]["num_steps"]) == (16, 32, 5)
    assert nas.load(folder).vocabulary.merges == data.vocabulary("bpe-512").merges
    assert (folder / "tokenizer.json").read_bytes() == (tmp_path / "tokenizers" / "bpe-512.json").read_bytes()


def test_a_tokenizer_can_be_chosen_over_the_arch_jsons_own(
    data: PreparedData, corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arch_json = exported(data, corpus_folder, tmp_path)
    foreign = starcoder()
    foreign.save(str(tmp_path / "foreign.json"))
    values = json.loads(arch_json.read_text())
    values["architecture"]["vocab_size"] = 600
    other = write(tmp_path / "other.json", values)
    for number, (path, given) in enumerate([(arch_json, "512"), (other, str(tmp_path / "foreign.json"))]):
        run = tmp_path / f"run{number}"
        length = ("--max_steps", "2", "--quiet", "--tokenizer", given)
        assert train.main(flags(path, corpus_folder, run, "--max-steps", "9", *length)) == 0
        assert json.loads((run / "run.json").read_text())["recipe"]["num_steps"] == 2
    assert nas.load(tmp_path / "run0").vocabulary.to_json() == data.vocabulary("bpe-512").to_json()
    model = nas.load(tmp_path / "run1")
    assert model.vocabulary.to_json() == foreign.to_str()
    assert model.vocabulary.eot_id == foreign.token_to_id("<|endoftext|>") != 0
    assert isinstance(model.complete("<|endoftext|>def ", max_bytes=20), str)
    assert 2 < model.bits_per_byte("x = 1\n" * 20) < 12


@pytest.mark.parametrize(("given", "name"), [("512", "bpe-512"), ("bytes", "bytes"), ("chars", "char")])
def test_the_size_of_a_chosen_tokenizer_replaces_vocab_size_with_a_note(
    corpus_folder: Path, tmp_path: Path, given: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arch_json = write(tmp_path / "a.json", VALUES | {"vocab_size": 384})
    command = flags(arch_json, corpus_folder, tmp_path / "run", "--tokenizer", given, "--max-steps", "2", "--quiet")
    assert train.main(command) == 0
    model = nas.load(tmp_path / "run")
    size = model.vocabulary.size
    assert model.vocabulary.name == name
    assert model.model.config == ARCHITECTURE.model_copy(update={"vocab_size": size})
    assert re.search(rf"vocab_size {size}, .* 384", capsys.readouterr().err)


def test_an_unknown_tokenizer_is_refused(corpus_folder: Path, tmp_path: Path) -> None:
    arch_json = write(tmp_path / "a.json", VALUES)
    with pytest.raises(UsageError, match="'char5' is neither a tokenizer nor a file"):
        train.main(flags(arch_json, corpus_folder, tmp_path / "run", "--tokenizer", "char5"))


@pytest.mark.parametrize("name", ["origin-a", "origin-b", "origin-c", "origin-e", "small-1m"])
def test_a_shipped_architecture_is_read_by_name(name: str) -> None:
    assert ArchitectureConfig.load(name) == ArchitectureConfig.load(
        Path(nas.__file__).parent / f"architecture/shipped/{name}.json"
    )
    with pytest.raises(ArchitectureError, match=rf"cannot read arch JSON {name}x: .*give a file or one of origin-a, "):
        ArchitectureConfig.load(f"{name}x")


def test_the_origins_own_command_line_works(
    data: PreparedData, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The recommended one, with underscores, in a folder like the origin's; 3 steps instead of 50,000.
    training = [*data.documents("train"), *data.documents("validation")]
    (tmp_path / "train.txt").write_text("".join(training), encoding="utf-8")
    (tmp_path / "val.txt").write_text("".join(data.documents("holdout")) * 2, encoding="utf-8")
    data.vocabulary("bpe-512").save(tmp_path / "bpe_4k.json")
    write(tmp_path / "best.json", VALUES | {"vocab_size": 50257, "max_seq_length": 256})
    command = [
        "--arch_json",
        "best.json",
        "--experiment_name",
        "v1_token_4kvocab",
        "--train_path",
        "train.txt",
        "--val_path",
        "val.txt",
        "--max_steps",
        "3",
        "--use_tokens",
        "--tokenizer",
        "bpe_4k.json",
    ]
    assert train.main(command) == 0
    assert nas.load(tmp_path / "runs" / "v1_token_4kvocab").model.config.vocab_size == 512


def test_the_estimate_of_a_run_is_printed_before_it_begins(
    corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = flags(
        write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / "run", "--estimate", "--recipe", "origin"
    )
    with pytest.warns(UserWarning, match=r"sequences of 64 tokens, .* 256"):
        assert train.main([*command, "--max-steps", "5000", "--keep", "4"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert [*lines] == ["architecture", "parameters", "training", "evaluations", "time", "memory", "disk", "folder"]
    assert (
        lines["parameters"]
        == f"{ARCHITECTURE.num_params:,}, {ARCHITECTURE.non_embedding_params:,} of them not in embeddings"
    )
    flops = ARCHITECTURE.train_flops_per_token(64) * 256 * 5000
    assert lines["training"].startswith("5,000 steps of 256 tokens: 1.28M tokens, ")
    assert lines["training"].endswith(f" times the corpus, {flops:.3g} FLOPs")
    assert re.fullmatch(
        r"about .*: [\d.e-]+ s per step, [\d,]+ tokens/s, \d+% of the measured peak of [\d,]+ GFLOP/s", lines["time"]
    )
    size = 16 * ARCHITECTURE.num_params / 1e6
    assert lines["disk"] == (
        f"at most {6 * size:.3g} MB: 4 checkpoints (--keep), one between evaluations, one being written, "
        f"{size:.3g} MB each"
    )
    with pytest.warns(UserWarning, match="sequences of 64 tokens"):
        assert train.main([*command, "--max-steps", "5000", "--json"]) == 0
    estimated = json.loads(capsys.readouterr().out)
    assert (estimated["train_flops"], estimated["train_tokens"], estimated["teacher_flops"]) == (flops, 1_280_000, 0)
    assert estimated["measured"]["seconds"] == 5000 * estimated["measured"]["step_seconds"] > 0
    assert not (tmp_path / "run").exists()


def test_flags_win_over_the_origins_recipe(corpus_folder: Path, tmp_path: Path) -> None:
    arch_json = write(tmp_path / "a.json", VALUES | {"max_seq_length": 256})
    command = ["--arch-json", str(arch_json), "--corpus", str(corpus_folder), "--device", "cpu", "--quiet"]
    more = [
        "--recipe",
        "origin",
        "--max-steps",
        "30",
        "--batch-tokens",
        "512",
        "--dropout",
        "0.25",
        "--ema-decay",
        "0.5",
    ]
    assert train.main([*command, "--out", "run", *more, "--weight-decay", "0", "--accumulate", "2"]) == 0
    stored = json.loads(Path("run/run.json").read_text())
    assert stored["architecture"]["attention_dropout"] == stored["architecture"]["residual_dropout"] == 0.25
    assert stored["recipe"] == {
        "learning_rate": 3e-4,
        "final_learning_rate": 1e-5,
        "num_steps": 30,
        "batch_size": 2,
        "accumulate": 2,
        "seq_length": 256,
        "warmup_steps": 3,
        "decay": "cosine",
        "decay_share": 1.0,
        "weight_decay": 0.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "grad_clip": 1.0,
        "label_smoothing": 0.0,
        "ema_decay": 0.5,
        "seed": 0,
    }


def test_a_run_does_not_resume_with_another_tokenizer_of_the_same_size(
    data: PreparedData, corpus_folder: Path, tmp_path: Path
) -> None:
    arch_json = exported(data, corpus_folder, tmp_path)
    train_bpe(["a = 1\n" * 9, *data.documents("holdout")], 512).save(tmp_path / "other.json")
    command = flags(arch_json, corpus_folder, tmp_path / "run", "--max-steps", "2", "--quiet")
    train.main(command)
    assert train.main([*command, "--tokenizer", "512"]) == 0
    with pytest.raises(UsageError, match=r"other settings \(another tokenizer\); .*--out"):
        train.main([*command, "--tokenizer", str(tmp_path / "other.json")])
    (tmp_path / "run" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is damaged \(.*No such file.*\); .*--out"):
        train.main(command)


def test_the_json_output_is_one_object_and_a_finished_run_prints_it_again(
    data: PreparedData, corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = flags(write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / "run", "--json", "--seed", "3")
    assert train.main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first.keys() == {
        *("folder", "architecture", "corpus", "command", "steps", "train_flops", "teacher_flops", "train_tokens"),
        *("best_step", "val_bpb", "val_novel_bpb", "rollbacks", "holdout", "measured"),
    }
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == {
        key: value for key, value in first.items() if key != "folder"
    }
    run = read_training_run(tmp_path / "run")
    assert run.record.command == first["command"] == shlex.join(["python", "-m", "nas.train", *command])
    assert run.summary is not None and run.summary.holdout.bpb == first["holdout"]["bpb"]
    assert [line.step for line in run.lines] == [10, 20]
    assert (first["folder"], first["steps"]) == (str(tmp_path / "run"), 20)
    holdout = first["holdout"]
    assert holdout["collapse_rate"] == max(holdout["sampled_collapse_rate"], holdout["greedy_collapse_rate"])
    assert holdout["num_prompts"] == 128
    assert holdout["num_bytes"] == len(data.evaluation_bytes("holdout", 262_144))
    assert 2 < holdout["bpb"] < 8
    assert holdout["novel_num_bytes"] == data.novel_bytes("holdout", 262_144).sum()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert first["val_novel_bpb"] == min(lines, key=lambda line: line["val_bpb"])["val_novel_bpb"] > 2
    assert train.main(command) == 0
    assert json.loads(capsys.readouterr().out) == first


def test_flops_buy_steps_rounded_down(corpus_folder: Path, tmp_path: Path) -> None:
    arch_json = write(tmp_path / "a.json", VALUES)
    per_step = ARCHITECTURE.train_flops_per_token() * 256
    assert train.main(flags(arch_json, corpus_folder, tmp_path / "run", "--flops", str(3.9 * per_step), "--quiet")) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["num_steps"] == 3
    with pytest.raises(UsageError, match=r"^--flops .* is less than one step of .* FLOPs$"):
        train.main(flags(arch_json, corpus_folder, tmp_path / "other", "--flops", str(0.9 * per_step)))
    assert not (tmp_path / "other").exists()


def test_flags_win_over_the_arch_json(data: PreparedData, corpus_folder: Path, tmp_path: Path) -> None:
    arch_json = exported(data, corpus_folder, tmp_path)
    more = ("--learning-rate", "0.02", "--evaluate-every", "3", "--seed", "8", "--max-steps", "4", "--quiet")
    assert train.main(flags(arch_json, corpus_folder, tmp_path / "run", *more)) == 0
    plan = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (plan["recipe"]["learning_rate"], plan["recipe"]["seed"], plan["evaluate_every"]) == (0.02, 8, 3)
    assert plan["recipe"]["batch_size"] * plan["recipe"]["seq_length"] == 256
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 4]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, ArchitectureError, "cannot read arch JSON"),
        ("{", ArchitectureError, "is not JSON"),
        ("[]", ArchitectureError, "an arch JSON must be an object of keys, found list"),
        (json.dumps(VALUES | {"num_layer": 2}), ArchitectureError, "did you mean 'num_layers'?"),
        (json.dumps(VALUES | {"num_heads": 3}), ArchitectureError, "hidden_dim 16 is not divisible by num_heads 3"),
        (json.dumps({"architecture": 3}), ArchitectureError, "'architecture' must be an object of keys, found int"),
        (json.dumps(VALUES | {"vocab_size": 101}), UsageError, "none can be trained"),
        (json.dumps(VALUES | {"vocab_size": 50257}), UsageError, "the architecture a vocab_size of 50257"),
        (json.dumps(VALUES | {"max_seq_length": 16}), UsageError, "max_seq_length 16 has no room for a prompt"),
        (json.dumps({"architecture": VALUES, "tokenizer": "no.json"}), CheckpointError, "cannot read tokenizer"),
        (json.dumps({"architecture": VALUES, "tokenizer": 3}), CheckpointError, "cannot read tokenizer"),
        (
            json.dumps({"architecture": VALUES, "recipe": 3}),
            UsageError,
            "'recipe' in the arch JSON must be an object of keys, found 3",
        ),
        (
            json.dumps({"architecture": VALUES, "provenance": []}),
            UsageError,
            "'provenance' in the arch JSON must be an object",
        ),
        (
            json.dumps({"architecture": VALUES, "provenance": {"corpus": "x"}}),
            UsageError,
            "'corpus' in the arch JSON must be an object",
        ),
        (json.dumps({"architecture": VALUES, "recipe": {"seq_length": 0}}), UsageError, "recipe has seq_length 0"),
        (json.dumps({"architecture": VALUES, "recipe": {"seq_length": "x"}}), UsageError, "recipe has seq_length 'x'"),
        (json.dumps({"architecture": VALUES, "recipe": {"lr_multiplier": -1}}), UsageError, "has lr_multiplier -1"),
    ],
)
def test_an_arch_json_that_cannot_be_used_is_one_line(
    corpus_folder: Path, tmp_path: Path, content: str | None, error: type[CodenasError], message: str
) -> None:
    arch_json = tmp_path / "arch.json"
    if content is not None:
        arch_json.write_text(content)
    with pytest.raises(CodenasError) as caught:
        train.main(flags(arch_json, corpus_folder, tmp_path / "run"))
    assert caught.type is error
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--batch-tokens", "100"], r"step of 100 tokens .* seq_length 64; give --batch-tokens"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--seq-length", "128"], "--seq-length 128 is more than the architecture's max_seq_length of 64"),
        (["--accumulate", "3"], "recipe: batch_size 4 is not divisible by accumulate 3"),
        (["--label-smoothing", "1"], "recipe label_smoothing: input should be less than 1, found 1.0"),
        (["--warmup-steps", "21"], "recipe: warmup_steps 21 is more than num_steps 20"),
        (["--teacher-share", "0.5"], "^--teacher-share .*without --teacher; add --teacher PATH"),
        (["--teacher-temperature", "1"], "^--teacher-temperature .*without --teacher;"),
        (["--teacher-top-k", "9", "--teacher-share", "1"], "^--teacher-share, --teacher-top-k .*without --teacher"),
        (["--dropout", "1"], "architecture attention_dropout: input should be less than 1, found 1.0"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(corpus_folder: Path, tmp_path: Path, more: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        train.main([*flags(write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / "run"), *more])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--max-steps", "0"],
        ["--max-steps", "5", "--flops", "1e9"],
        ["--flops", "-1"],
        ["--seed", "1e99"],
        ["--seed", str(1 << 64)],
        ["--learning-rate", "0"],
        ["--max-step", "5"],
        ["--experiment-name", "../x"],
        ["--experiment-name", "x", "--out", "y"],
        ["--recipe", "mine"],
        ["--decay", "step"],
        ["--warmup-steps", "-1"],
    ],
)
def test_wrong_flags_exit_with_2(tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    length = [] if wrong[0] in ("--max-steps", "--flops") else ["--max-steps", "5"]
    with pytest.raises(SystemExit) as caught:
        train.main(["--arch-json", str(tmp_path / "a.json"), *length, *wrong])
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_corpus_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="does not exist"):
        train.main(flags(write(tmp_path / "a.json", VALUES), tmp_path / "no such folder", tmp_path / "run"))


def test_another_setting_in_the_same_folder_is_refused(corpus_folder: Path, tmp_path: Path) -> None:
    command = flags(write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / "run", "--max-steps", "2", "--quiet")
    train.main(command)
    with pytest.raises(UsageError, match=r"other settings \(recipe\.seed: stored 0, requested 1\); .*--out"):
        train.main([*command, "--seed", "1"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_a_run_that_was_not_compiled_does_not_resume_compiled(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.training.numerics._check_compiler", lambda: None)
    command = flags(write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / "run", "--max-steps", "2", "--quiet")
    train.main(command)
    with pytest.raises(UsageError, match=r"other settings \(numerics\.compiled: stored False, requested True"):
        train.main([*command, "--compile"])


@pytest.mark.parametrize("out", ["file/run", "file", "x" * 300])
def test_a_folder_that_cannot_be_made_is_one_line(
    corpus_folder: Path, tmp_path: Path, out: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    command = flags(write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / out)
    # `cli.run` sets up the whole process: put back what it changes.
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as caught:
            cli.run(lambda: train.main(command), "nas.train")
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert caught.value.code == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nas.train: error: ")]
    assert len(errors) == 1
    assert errors[0].endswith("; check the path and its permissions and run the same command again")
    assert (tmp_path / "file").read_text() == "in the way"


def stop(command: list[str], log: Path, number: signal.Signals) -> tuple[int, str]:
    """Start a run, send it a signal once it has logged a line; return its exit code and its error output."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 100
        while process.poll() is None and not log.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_stopped_process_says_how_to_resume(
    corpus_folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    length = ("--max-steps", "1000000", "--evaluate-every", "5", "--quiet")
    command = flags(write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / "run", *length)
    returned, err = stop([*ON_ONE_CORE, *command], tmp_path / "run" / "log.jsonl", number)
    assert returned == code
    assert "Traceback" not in err
    assert re.search(r"^stopped at step \d+; everything is saved, and the same command resumes it$", err, re.MULTILINE)
    assert (tmp_path / "run" / "checkpoints" / "between.safetensors").exists()


def test_a_stop_at_the_last_step_comes_before_the_verdict(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = flags(write(tmp_path / "a.json", VALUES), corpus_folder, tmp_path / "run", "--max-steps", "3", "--quiet")
    measure = FullTraining._measure

    def stop_then_measure(self: FullTraining) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return measure(self)

    monkeypatch.setattr(FullTraining, "_measure", stop_then_measure)
    with pytest.raises(KeyboardInterrupt) as caught:
        train.main([*command, "--evaluate-every", "3"])
    assert caught.value.args == (signal.SIGTERM,)
    assert re.search(r"stopped at the last step, .*the same command resumes it", capsys.readouterr().err)
    assert not (tmp_path / "run" / "summary.json").exists()
    assert train.main([*command, "--evaluate-every", "3"]) == 0
    assert (tmp_path / "run" / "summary.json").exists()


def test_ignored_keys_of_a_recipe_give_a_warning(corpus_folder: Path, tmp_path: Path) -> None:
    arch_json = write(tmp_path / "a.json", {"architecture": VALUES, "recipe": {"weight_decay": 0.7}})
    with pytest.warns(UserWarning, match="'weight_decay' in the arch JSON's recipe is ignored"):
        train.main(flags(arch_json, corpus_folder, tmp_path / "run", "--estimate"))


def test_a_process_that_was_killed_resumes_to_the_same_end(corpus_folder: Path, tmp_path: Path) -> None:
    length = ("--max-steps", "60", "--evaluate-every", "12", "--quiet")
    arch_json = write(tmp_path / "a.json", VALUES)
    command = [*ON_ONE_CORE, *flags(arch_json, corpus_folder, tmp_path / "stopped", *length)]
    log = tmp_path / "stopped" / "log.jsonl"
    returned, _ = stop(command, log, signal.SIGKILL)
    assert returned == -signal.SIGKILL
    assert 1 <= len(log.read_text().splitlines()) < 5
    for more in ([], ["--out", str(tmp_path / "whole")]):
        subprocess.run([*command, *more], check=True, capture_output=True, timeout=100)
    for name in ("best.safetensors", "checkpoints/step-00000060.safetensors"):
        tensors, _ = read_tensors(tmp_path / "stopped" / name)
        expected, _ = read_tensors(tmp_path / "whole" / name)
        assert all((tensors[key] == expected[key]).all() for key in expected)
    assert load_weights(tmp_path / "stopped" / "best.safetensors").config == ARCHITECTURE


@pytest.mark.slow  # a dozen processes, one after the other
def test_a_run_that_is_killed_at_ten_random_moments_ends_with_the_same_weights(
    corpus_folder: Path, tmp_path: Path
) -> None:
    length = ("--max-steps", "6000", "--evaluate-every", "250", "--quiet")
    arch_json = write(tmp_path / "a.json", VALUES)
    command = [*ON_ONE_CORE, *flags(arch_json, corpus_folder, tmp_path / "killed", *length)]
    moments, kills, log = random.Random(7), 0, tmp_path / "killed" / "log.jsonl"
    while kills < 10:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            before = log.stat().st_size if log.exists() else 0
            while process.poll() is None and (not log.exists() or log.stat().st_size == before):
                time.sleep(0.01)  # it has come one evaluation further, or it would never end
            time.sleep(moments.uniform(0, 1.5))
            assert process.poll() is None, "the run ended before it was killed ten times: make it longer"
            process.kill()
        kills += 1
    for more in ([], ["--out", str(tmp_path / "whole")]):
        subprocess.run([*command, *more], check=True, capture_output=True, timeout=600)
    for name in ("best.safetensors", "checkpoints/step-00006000.safetensors"):
        tensors, _ = read_tensors(tmp_path / "killed" / name)
        expected, _ = read_tensors(tmp_path / "whole" / name)
        assert all((tensors[key] == expected[key]).all() for key in expected)
