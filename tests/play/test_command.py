from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import nas
from nas import cli
from nas.inference.language_model import LanguageModel
from nas.model import Decoder
from nas.play.__main__ import main
from nas.play.input import MAX_HISTORY_LINES
from nas.play.session import HELP
from nas.tokenizer.vocabulary import train_bpe
from tests.helpers.fixed_model import END, fixed_model, save
from tests.helpers.study_commands import ENVIRONMENT, PATIENCE, Ran, ran
from tests.helpers.terminal import USER_DELAY_SECONDS, at_terminal
from tests.helpers.tiny_models import tiny

Play = Callable[..., Ran]


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Play:
    monkeypatch.setattr("nas.system.machine.available_cores", lambda: 1)
    return lambda *argv: ran(main, "nas.play", [str(word) for word in argv], capsys)


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, which writes any bytes."""
    model = LanguageModel(Decoder(tiny(max_seq_length=300), seed=0), train_bpe([], 256))
    return save(model, tmp_path_factory.mktemp("models") / "lively")


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes `:` until a limit."""
    return save(fixed_model({":": 0.0}), tmp_path_factory.mktemp("models") / "loops")


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes a and b for longer than any test waits."""
    return save(fixed_model({"a": 0.0, "b": 0.0}, 200_000), tmp_path_factory.mktemp("models") / "endless")


# One prompt


def test_the_completion_alone_is_on_standard_output(play: Play, lively: Path) -> None:
    done = play(lively, "def add(a, b):", "--seed", 3)
    assert (done.code, done.err) == (0, "")
    assert done.out == nas.load(lively).complete("def add(a, b):", seed=3)


def test_the_flags_are_the_settings_of_a_completion(play: Play, lively: Path) -> None:
    model = nas.load(lively)
    flags = ("--temperature", 1.5, "--top-p", 0.5, "--top-k", 9, "--max-bytes", 31, "--seed", -7, "--stop", "e")
    expected = model.complete("x", temperature=1.5, top_p=0.5, top_k=9, max_bytes=31, seed=-7, stop="e")
    assert play(lively / "best.safetensors", "x", *flags).out == expected
    assert play(lively, "x", "--greedy").out == model.complete("x", temperature=0)
    assert play(lively, "x", "--temperature", 0).out == model.complete("x", temperature=0)
    assert play(lively, "x", "--top-k", 0, "--top-p", 1).out == model.complete("x", top_k=0, top_p=1)
    assert play(lively, "x", "--max-bytes", 1e30).out == model.complete("x", max_bytes=300)


@pytest.mark.parametrize("argument", [["-"], []])
def test_standard_input_without_its_last_line_break_is_a_prompt(
    play: Play, lively: Path, standard_input: Callable[[bytes], None], argument: list[str]
) -> None:
    model = nas.load(lively)
    for data, prompt in ((b"\tif x:\n", "\tif x:"), (b"x\n\n", "x\n"), ("é".encode(), "é"), (b"", ""), (b"\r\n", "\r")):
        standard_input(data)
        assert play(lively, *argument).out == model.complete(prompt)


def test_an_empty_prompt_starts_a_document(play: Play, lively: Path) -> None:
    assert play(lively, "").out == nas.load(lively).complete("")


def test_a_prompt_that_is_not_utf_8_is_wrong_usage(
    play: Play, lively: Path, standard_input: Callable[[bytes], None]
) -> None:
    standard_input(b"x = '\xff'\n")
    done = play(lively)
    assert (done.code, done.out) == (2, "")
    assert "standard input is not UTF-8" in done.error
    done = play(lively, b"x = '\xff'".decode(errors="surrogateescape"))
    assert (done.code, done.out) == (2, "")
    assert "the prompt is not UTF-8 text" in done.error


def test_a_prompt_that_is_too_long_is_cut_at_its_front_and_reported(play: Play, lively: Path) -> None:
    # max_seq_length 300 less 200 bytes, but at least half.
    done = play(lively, "y" * 100 + "x" * 150)
    assert done.out == nas.load(lively).complete("x" * 150)
    assert re.search(r"\b300 tokens.*\b100\b", done.err)


def test_a_completion_that_stops_at_the_models_length_is_reported(play: Play, loops: Path, tmp_path: Path) -> None:
    for flags in ((), ("--json",)):
        done = play(loops, "x", "--max-bytes", 1000, *flags)
        assert re.fullmatch(r".*max_bytes 1000.*\b300 tokens\n", done.err)
        assert ":" * 299 in done.out and ":" * 300 not in done.out
    assert play(loops, "x", "--max-bytes", 299).err == ""
    assert play(loops, "x", "--max-bytes", 1000, "--stop", ":").err == ""
    ended = save(fixed_model({END: 0.0}), tmp_path / "ends")
    assert play(ended, "x", "--max-bytes", 1000).err == ""


def test_each_of_several_samples_follows_its_seed(play: Play, lively: Path) -> None:
    done = play(lively, "x", "-n", 2, "--seed", 5, "--max-bytes", 20)
    first, second = (nas.load(lively).complete("x", seed=seed, max_bytes=20) for seed in (5, 6))
    assert done.out == f"--- 1 of 2, seed 5\n{first}\n--- 2 of 2, seed 6\n{second}\n"


def test_json_is_one_object_per_completion_with_the_settings_that_reproduce_it(
    play: Play, lively: Path, loops: Path, tmp_path: Path
) -> None:
    done = play(lively, "é", "--json", "-n", 2, "--top-k", 3, "--stop", "%", "--stop", "&&")
    assert done.err == ""
    first, second = (json.loads(line) for line in done.out.splitlines())
    assert done.out.isascii()
    assert first == {
        "prompt": "é", "completion": nas.load(lively).complete("é", top_k=3, stop=["%", "&&"]), "temperature": 0.8,
        "top_p": 0.9, "top_k": 3, "max_bytes": 200, "seed": 0, "stop": ["%", "&&"], "ended": False, "rule": None,
    }  # fmt: skip
    assert second["seed"] == 1 and second["completion"] != first["completion"]
    looped = json.loads(play(loops, "x", "--json").out)
    assert (looped["completion"], looped["rule"]) == (":" * 200, "loop")
    ended = save(fixed_model({END: 0.0}), tmp_path / "ends")
    values = json.loads(play(ended, "x", "--json").out)
    assert (values["completion"], values["ended"], values["rule"]) == ("", True, "blank")
    # A stop leaves no text, which is not a collapse.
    values = json.loads(play(loops, "x", "--json", "--stop", ":").out)
    assert (values["completion"], values["ended"], values["rule"]) == ("", False, None)


def test_without_a_terminal_the_text_is_exact_and_there_are_no_notes(play: Play, loops: Path, tmp_path: Path) -> None:
    assert play(loops, "x").err == ""
    bell = save(fixed_model({"\x07": 0.0}), tmp_path / "bell")
    assert play(bell, "x", "--max-bytes", 3).out == "\x07\x07\x07"


def test_on_a_terminal_control_characters_are_escaped_and_a_collapse_is_noted(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell = save(fixed_model({"\x07": 0.0}), tmp_path / "bell")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(type(stream), "isatty", lambda self: True)
    done = play(bell, "x", "--max-bytes", 99)
    assert done.out == "\\x07" * 99 + "\n"
    assert done.err == "\033[2mcollapsed: loop\033[22m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert play(bell, "x", "--max-bytes", 99).err == "collapsed: loop\n"


def test_a_closed_pipe_ends_the_completion_silently(endless: Path) -> None:
    command = [sys.executable, "-m", "nas.play", str(endless), "x", "--max-bytes", "100000"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(1) in "ab"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(PATIENCE) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--temperature", "-1"], "argument --temperature: must be a number of at least 0, found '-1'"),
        (["--temperature", "hot"], "argument --temperature: must be a number, found 'hot'"),
        (["--temperature", "1", "--greedy"], "not allowed with argument"),
        (["--top-p", "0"], "argument --top-p: must be a number above 0, found '0'"),
        (["--top-p", "1.5"], "top_p must be above 0 and at most 1, found 1.5"),
        (["--top-k", "2.5"], "argument --top-k: must be a whole number of at least 0, found '2.5'"),
        (["--max-bytes", "0"], "argument --max-bytes: must be a whole number of at least 1, found '0'"),
        (["--seed", "x"], "argument --seed: must be a whole number of at most 64 bits, found 'x'"),
        (["--stop", ""], "--stop '' is empty"),
        (["-n", "0"], "a whole number of at least 1, found '0'"),
        (["-n", "2", "--greedy"], "leave -n out"),
        (["-n", "2", "--temperature", "0"], "leave -n out"),
        (["--prompts", "p.txt"], "give a PROMPT or --prompts FILE, not both"),
        (["--save", "s.jsonl"], "--save writes the completions of --prompts FILE"),
        (["--device", "tpu"], "unknown device 'tpu' (allowed: auto, cpu, cuda, cuda:N)"),
    ],
)
def test_wrong_usage_has_exit_code_2(play: Play, lively: Path, argv: list[str], message: str) -> None:
    done = play(lively, "x", *argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.error


def test_a_checkpoint_that_is_missing_or_damaged_has_exit_code_1(play: Play, lively: Path, tmp_path: Path) -> None:
    assert play(tmp_path / "absent", "x").code == 1
    (tmp_path / "best.safetensors").write_bytes((lively / "best.safetensors").read_bytes()[:-50])
    done = play(tmp_path, "x")
    assert (done.code, done.out) == (1, "")
    assert "cannot read checkpoint" in done.error
    (tmp_path / "best.safetensors").write_bytes((lively / "best.safetensors").read_bytes())
    assert "cannot read tokenizer" in play(tmp_path, "x").error


# A file of prompts


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A file of four prompts, of which one is a comment and one too long; blank lines are not prompts."""
    path = tmp_path / "prompts.txt"
    path.write_text("def add(a, b):\n\n# sort a list\nimport numpy as np\n" + "z" * 290 + "\n", encoding="utf-8")
    return path


def test_a_file_of_prompts_is_completed_evaluated_and_reported(play: Play, loops: Path, prompts: Path) -> None:
    done = play(loops, "--prompts", prompts, "--max-bytes", 30, "--top-k", 7)
    assert (done.code, done.err) == (0, "")
    colons = ":" * 30
    assert done.out.startswith(
        f"--- 1 of 3: mode_collapse, collapsed: loop; the completion starts after >>>\ndef add(a, b):>>>{colons}\n\n"
        f"--- 2 of 3: mode_collapse, collapsed: loop; the completion starts after >>>\n# sort a list>>>{colons}\n\n"
        f"--- 3 of 3: mode_collapse, collapsed: loop; the completion starts after >>>\nimport numpy as np>>>{colons}\n"
    )
    num_params = tiny(normalization="layernorm", max_seq_length=300).num_params
    assert (
        f"\n{loops}, {num_params:,} parameters, vocabulary 256\n"
        "temperature 0.8, top_p 0.9, top_k 7, max_bytes 30, seed 0\n\n"
        "completions as given; 3 completions\n"
        "left out        1 of 4 prompts: "
    ) in done.out
    assert "\ntotal failure       3  100.0% [43.9%, 100.0%]\n" in done.out
    assert "\ncollapse        100.0% [43.9%, 100.0%]  loop 3\n" in done.out


def test_saved_completions_are_evaluated_again_alike(
    play: Play, lively: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nas.evaluate.__main__ import main as evaluate

    path = tmp_path / "saved.jsonl"
    done = play(lively, "--prompts", prompts, "--save", path)
    assert done.out.endswith(f"\ncompletions     {path}\n")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["index"], row["prompt"], row["mode"], row["run_id"]) for row in rows] == [
        (0, "def add(a, b):", "play", "lively-play"),
        (1, "# sort a list", "play", "lively-play"),
        (2, "import numpy as np", "play", "lively-play"),
    ]
    printed = [json.loads(line) for line in play(lively, "--prompts", prompts, "--json").out.splitlines()]
    assert [row["completion"] for row in printed] == [row["completion"] for row in rows]
    assert [row["rule"] for row in printed] == [row["rule"] for row in rows]
    report = json.loads(ran(evaluate, "nas.evaluate", ["--completions", str(path), "--json"], capsys).out)
    assert report["n"] == 3
    assert report["collapse_rate"] == sum(row["rule"] is not None for row in rows) / 3
    path.write_text("".join(f"{json.dumps(row)}\n" for row in printed))
    again = json.loads(ran(evaluate, "nas.evaluate", ["--completions", str(path), "--json"], capsys).out)
    assert again | {"examples": None} == report | {"examples": None}  # the printed completions have no index
    conclusion = done.out.splitlines()[-2]
    assert conclusion.startswith("conclusion ") and f"{report['collapse_rate']:.1%}" in conclusion


def test_a_file_of_prompts_follows_seed_and_stops(play: Play, lively: Path, prompts: Path) -> None:
    def completions(*flags: object) -> list[str]:
        lines = play(lively, "--prompts", prompts, "--json", "--max-bytes", 60, *flags).out.splitlines()
        return [json.loads(line)["completion"] for line in lines]

    whole = completions()
    assert completions("--seed", 0) == whole
    assert not set(completions("--seed", 1)) & set(whole)
    assert len(completions("--greedy", "--seed", 1)) == 3
    stop = whole[1][5:7]
    stopped = completions("--stop", stop)
    assert stopped == [text.partition(stop)[0] for text in whole]
    assert len(stopped[1]) < len(whole[1])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--prompts", "absent.txt"], "cannot read prompts absent.txt"),
        (["--prompts", "absent.txt", "-n", "2"], "leave -n out"),
        (["--prompts", "absent.txt", "--save", "."], "--save . is a folder; give a file"),
    ],
)
def test_a_file_of_prompts_that_cannot_be_used_has_exit_code_2(
    play: Play, lively: Path, argv: list[str], message: str
) -> None:
    done = play(lively, *argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.error


# Interactive sessions


def displayed(text: str) -> str:
    return cli.printable(text)


def test_a_session_completes_several_lines_and_runs_commands(lively: Path, tmp_path: Path) -> None:
    model = nas.load(lively)
    config = model.model.config
    with at_terminal(lively, "--max-bytes", 40, cache=tmp_path) as terminal:
        terminal.wait_for_text(f"{config.describe()}, {config.num_params:,} parameters, up to 300 tokens\n")
        terminal.wait_for_text("temperature 0.8, top_p 0.9, top_k 40, max_bytes 40, seed 0\n")
        terminal.enter("def f(x):")
        terminal.enter("\treturn x", prompt="... ")
        terminal.enter("", prompt="... ")
        prompt = "def f(x):\n\treturn x"
        terminal.wait_for_text(f"\treturn x{displayed(model.complete(prompt, max_bytes=40))}\n")
        terminal.enter(":set temperature 0.5")
        terminal.wait_for_text("temperature 0.5, top_p 0.9, top_k 40, max_bytes 40, seed 0\n")
        terminal.enter(":seed 3")
        terminal.wait_for_text("temperature 0.5, top_p 0.9, top_k 40, max_bytes 40, seed 3\n")
        terminal.enter(":again")
        terminal.wait_for_text("seed 4\n")
        again = model.complete(prompt, max_bytes=40, temperature=0.5, seed=4)
        terminal.wait_for_text(f"\treturn x{displayed(again)}\n")
        terminal.enter(":more")
        whole = prompt + again.removesuffix("\ufffd")
        more = model.complete(whole, max_bytes=40, temperature=0.5, seed=4)
        last_line = whole.rpartition("\n")[2]
        terminal.wait_for_text(f"{displayed(last_line + more)}\n")
        terminal.enter("x = '\udcff'")
        terminal.wait_for_text("the prompt is not UTF-8 text")
        terminal.enter(":set heat 3")
        terminal.wait_for_text("unknown setting 'heat'")
        terminal.enter(":help")
        terminal.wait_for_text(HELP)
        terminal.wait_for_text(">>> ")
        terminal.press("\x04", "\r\n")
        assert terminal.end() == 0
    assert "\033[" not in terminal.printed


def test_ctrl_c_stops_a_completion_and_leaves_at_the_prompt(endless: Path, tmp_path: Path) -> None:
    with at_terminal(endless, "--max-bytes", 100_000, cache=tmp_path) as terminal:
        terminal.enter("x = ")
        begun = terminal.wait_for("\nx = ([ab]{50})")
        terminal.press("\x03", "\r\nstopped; :more continues\r\n")
        terminal.enter(":set max_bytes 6")
        terminal.enter(":more")
        # At Ctrl-C a terminal drops what it has not shown yet, so less may have been seen than was written.
        whole = terminal.wait_for(rf"\nx = ({begun[1]}[ab]+)\r\n")[1]
        assert 56 <= len(whole) < 99_000
        terminal.wait_for_text(">>> ")
        terminal.press("\x03", "\r\n")
        assert terminal.end() == 0
    assert "Traceback" not in terminal.printed


def test_ctrl_c_cancels_an_unfinished_input(lively: Path, tmp_path: Path) -> None:
    with at_terminal(lively, "--max-bytes", 9, cache=tmp_path) as terminal:
        terminal.enter("class A:")
        terminal.enter("    x", prompt="... ")
        terminal.wait_for_text("... ")
        terminal.press("\x03", "\r\n")
        terminal.enter("y")
        terminal.wait_for_text(f"\ny{displayed(nas.load(lively).complete('y', max_bytes=9))}\n")
        terminal.enter(":quit")
        assert terminal.end() == 0


def test_a_terminated_session_has_exit_code_143(lively: Path, tmp_path: Path) -> None:
    with at_terminal(lively, cache=tmp_path) as terminal:
        terminal.enter(":set")
        terminal.wait_for_text(">>> ")
        while terminal.process.poll() is None:
            time.sleep(USER_DELAY_SECONDS)
            os.kill(terminal.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.process.wait(PATIENCE / 10)
        assert terminal.end() == 143


def test_prompts_and_notes_are_dim_on_a_terminal_with_colours(loops: Path, tmp_path: Path) -> None:
    with at_terminal(loops, "--max-bytes", 80, cache=tmp_path, TERM="xterm") as terminal:
        terminal.enter("x", prompt="\033[2m>>> \033[22m")
        terminal.wait_for_text(f"\033[2mx\033[22m{':' * 80}\n\033[2mcollapsed: loop\033[22m\n")
    with at_terminal(loops, "--max-bytes", 80, cache=tmp_path, TERM="xterm", NO_COLOR="1") as terminal:
        terminal.enter("x")
        terminal.wait_for_text(f"x{':' * 80}\ncollapsed: loop\n")
        assert "\033[2m" not in terminal.printed


def test_lines_are_kept_for_the_next_session_unless_no_history_is_given(lively: Path, tmp_path: Path) -> None:
    history = tmp_path / "play_history"
    history.write_text("".join(f"line_{number}\n" for number in range(MAX_HISTORY_LINES + 500)))
    with at_terminal(lively, "--max-bytes", 5, cache=tmp_path) as terminal:
        terminal.enter("unmistakable")
        terminal.enter(":quit")
        assert terminal.end() == 0
    kept = history.read_text().splitlines()
    assert len(kept) == MAX_HISTORY_LINES
    assert kept[-3:] == [f"line_{MAX_HISTORY_LINES + 499}", "unmistakable", ":quit"]
    with at_terminal(lively, "--max-bytes", 5, "--no-history", cache=tmp_path) as terminal:
        terminal.enter("forgotten")
        terminal.enter(":quit")
        assert terminal.end() == 0
    assert history.read_text().splitlines() == kept
    with at_terminal(lively, "--max-bytes", 5, cache=tmp_path) as terminal:
        terminal.enter("\x10\x10")  # the line before the last
        completion = nas.load(lively).complete("unmistakable", max_bytes=5)
        terminal.wait_for_text(f"unmistakable\nunmistakable{displayed(completion)}\n")


def test_a_history_that_cannot_be_read_or_written_is_reported_and_no_error(lively: Path, tmp_path: Path) -> None:
    (tmp_path / "play_history").mkdir()
    with at_terminal(lively, "--max-bytes", 5, cache=tmp_path) as terminal:
        terminal.wait_for_text("the history is not kept: ")
        terminal.enter("x")
        terminal.wait_for_text(f"x{displayed(nas.load(lively).complete('x', max_bytes=5))}\n")
        terminal.enter(":quit")
        terminal.wait_for_text("the history is not kept: ")
        assert terminal.end() == 0


def test_an_interactive_session_has_no_json(lively: Path, tmp_path: Path) -> None:
    with at_terminal(lively, "--json", cache=tmp_path) as terminal:
        assert terminal.end() == 2
    assert "--json and -n need a PROMPT" in terminal.printed
