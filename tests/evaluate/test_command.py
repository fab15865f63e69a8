from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.evaluate.__main__ import main
from nas.evaluate.quality.origin_categories import CATEGORIES
from nas.inference.language_model import LanguageModel
from nas.model import Decoder
from nas.tokenizer.vocabulary import train_bpe
from tests.helpers.fixed_model import END, fixed_model, save
from tests.helpers.study_commands import Ran, ran
from tests.helpers.tiny_models import tiny

Evaluated = Callable[..., Ran]

# The outputs in the origin's report: 28 of `):`, 16 of `:`, 8 others.
ORIGIN_COMPLETIONS = (
    [("def add(a, b):", "):" * 32)] * 28 + [("class Stack:", ":" * 64)] * 16 + [("import x", "abcde")] * 8
)


@pytest.fixture
def evaluated(capsys: pytest.CaptureFixture[str]) -> Evaluated:
    return lambda *argv: ran(main, "nas.evaluate", [str(word) for word in argv], capsys)


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes `:` until a limit, like the origin's."""
    return save(fixed_model({":": 0.0}), tmp_path_factory.mktemp("models") / "loops")


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, which writes any bytes."""
    model = LanguageModel(Decoder(tiny(max_seq_length=300), seed=0), train_bpe([], 256))
    return save(model, tmp_path_factory.mktemp("models") / "lively")


@pytest.fixture
def origin_file(tmp_path: Path) -> Path:
    path = tmp_path / "origin.jsonl"
    lines = [
        {"index": index, "prompt": prompt, "completion": text, "elapsed_sec": 0.4, "mode": "batch", "run_id": "v1",
         "max_tokens": 64, "temperature": 0.8, "top_p": 0.9, "top_k": 40}
        for index, (prompt, text) in enumerate(ORIGIN_COMPLETIONS)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def lines(text: str) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in text.splitlines()]


def test_the_completions_of_the_origin_are_reported_as_in_its_table(evaluated: Evaluated, origin_file: Path) -> None:
    done = evaluated("--completions", origin_file)
    assert (done.code, done.err) == (0, "")
    printed = lines(done.out)
    listed = [words[0] for words in printed if words and words[0] in CATEGORIES]
    assert listed == ["repetitive", "mode_collapse", "noise", "good", "partial"]  # the most frequent first
    assert ["repetitive", "28", "53.8%", "[40.5%,", "66.7%]"] in printed
    assert ["mode_collapse", "16", "30.8%", "[19.9%,", "44.3%]"] in printed
    assert ["noise", "8", "15.4%", "[8.0%,", "27.5%]"] in printed
    assert ["total", "failure", "44", "84.6%", "[72.5%,", "92.0%]"] in printed
    assert ["collapse", "84.6%", "[72.5%,", "92.0%]", "loop", "44"] in printed
    assert ["1.", "'):'", "28", "53.8%"] in printed
    assert ["2.", "':'", "16", "30.8%"] in printed
    assert f"output          '{':' * 64}'\n" in done.out
    # (28 x 0.5 + 16 + 8 x 0.2) / 52 and (28 x 2 + 16 + 8 x 5) / 52
    assert ["repetition", "60.8%"] in [words[:2] for words in printed]
    assert ["distinct", "2.2"] in [words[:2] for words in printed]
    assert re.search(r"\nconclusion +collapsed: .* 84\.6% \[72\.5%, 92\.0%\]", done.out)
    assert done.out.endswith(f"next            python -m nas.evaluate --compare {origin_file} ANOTHER\n")


def test_json_of_a_file_is_one_object(evaluated: Evaluated, origin_file: Path) -> None:
    done = evaluated("--completions", origin_file, "--json")
    assert done.out.count("\n") == 1
    values = json.loads(done.out)
    assert (values["n"], values["protocol"], values["input"]) == (52, None, str(origin_file))
    assert values["categories"]["repetitive"]["count"] == 28
    assert values["categories"]["repetitive"]["rate"] == 28 / 52
    assert values["collapse_rate"] == 44 / 52
    assert values["collapse_rate_interval"] == pytest.approx([0.7247591, 0.9199232], abs=1e-6)
    assert values["collapse_rules"] == {"loop": 44}
    assert values["repetition_ratio"] == pytest.approx(31.6 / 52)


def test_a_checkpoint_goes_through_the_three_protocols(evaluated: Evaluated, loops: Path) -> None:
    done = evaluated(loops, "--num-prompts", 4)
    assert (done.code, done.err) == (0, "")
    begun = [line for line in done.out.splitlines() if line.endswith("; 4 completions")]
    assert begun == [
        "origin: temperature 0.8, top-p 0.9, top-k 40, 64 tokens; 4 completions",
        "greedy: the most likely token each time, 64 tokens; 4 completions",
        "plain: temperature 1, top-p 1, top-k 0, 200 bytes; 4 completions",
    ]
    num_params = tiny(normalization="layernorm", max_seq_length=300).num_params
    assert done.out.startswith(f"{loops}, {num_params:,} parameters, vocabulary 256\n")
    assert done.out.count("\nconclusion ") == 3
    values = json.loads(evaluated(loops, "--num-prompts", 4, "--json").out)
    assert list(values) == ["origin", "greedy", "plain"]
    for name, report in values.items():
        assert (report["protocol"], report["n"], report["collapse_rules"]) == (name, 4, {"loop": 4})
        assert report["categories"]["mode_collapse"] == {
            "count": 4, "rate": 1.0, "interval": pytest.approx([4 / (4 + 1.959964**2), 1.0]),
        }  # fmt: skip


def test_after_a_collapsed_model_the_audit_is_suggested(evaluated: Evaluated, loops: Path) -> None:
    sampled = evaluated(loops, "--num-prompts", 8, "--protocol", "origin")
    assert sampled.out.endswith(f"next            python -m nas.audit {loops}\n")
    greedy = evaluated(loops, "--num-prompts", 8, "--protocol", "greedy")
    assert greedy.out.endswith("ANOTHER\n")


def test_a_single_protocol_is_one_object_and_several_keep_their_order(evaluated: Evaluated, lively: Path) -> None:
    greedy = json.loads(evaluated(lively, "--protocol", "greedy", "--num-prompts", 3, "--json").out)
    assert (greedy["protocol"], greedy["n"]) == ("greedy", 3)
    two = json.loads(evaluated(lively, "--protocol", "plain", "--protocol", "origin", "--num-prompts", 3, "--json").out)
    assert list(two) == ["origin", "plain"]


def test_prompts_of_a_file_and_those_without_room(evaluated: Evaluated, tmp_path: Path) -> None:
    short = save(fixed_model({":": 0.0}, max_seq_length=70), tmp_path / "short")
    (tmp_path / "prompts.txt").write_text("x = 1\n" + "y" * 7 + "\nz = 12\n")
    argv = (short, "--prompts", tmp_path / "prompts.txt", "--protocol", "plain")
    values = json.loads(evaluated(*argv, "--json").out)
    assert (values["n"], values["left_out"], values["cut_short"]) == (2, 1, 2)
    assert "\nleft out        1 of 3 prompts: " in evaluated(*argv).out
    (tmp_path / "prompts.txt").write_text("y" * 7)
    refused = evaluated(*argv)
    assert refused.code == 2
    assert "max_seq_length 70 has no room for any prompt and 64 tokens" in refused.error


def test_saved_completions_are_evaluated_again_alike(evaluated: Evaluated, lively: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved.jsonl"
    argv = (lively, "--num-prompts", 5, "--save", path)
    assert f"\ncompletions     {path}\nnext " in evaluated(*argv).out
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(row["mode"], row["index"]) for row in rows] == [
        (name, index) for name in ("origin", "greedy", "plain") for index in (0, 51, 102, 153, 204)
    ]
    assert [row["run_id"] for row in rows[::5]] == ["lively-origin", "lively-greedy", "lively-plain"]
    values = json.loads(evaluated(*argv, "--json").out)
    again = json.loads(evaluated("--completions", path, "--json").out)
    facts = ("input", "num_params", "vocab_size", "left_out", "cut_short")
    for reports in (values, again):
        for report in reports.values():
            for fact in facts:
                del report[fact]
    assert again == values
    assert sum(row["rule"] is not None for row in rows[5:10]) == values["greedy"]["collapse_rate"] * 5
    greedy = json.loads(evaluated("--completions", path, "--protocol", "greedy", "--json").out)
    assert (greedy["protocol"], greedy["n"]) == ("greedy", 5)


def test_a_weights_file_is_a_checkpoint_too(evaluated: Evaluated, loops: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved.jsonl"
    argv = ("--num-prompts", 1, "--protocol", "origin", "--save", path)
    assert evaluated(loops / "best.safetensors", *argv).code == 0
    assert json.loads(path.read_text())["run_id"] == "loops-best-origin"


def test_inputs_are_compared_in_a_table_and_tested_in_pairs(
    evaluated: Evaluated, loops: Path, tmp_path: Path, origin_file: Path
) -> None:
    quiet = save(fixed_model({END: 0.0, "a": -0.1, "b": -0.1, "c": -0.1}), tmp_path / "healthy")
    argv = ("--compare", quiet, loops, origin_file, "--protocol", "origin", "--num-prompts", 8)
    printed = evaluated(*argv)
    assert (printed.code, printed.err) == (0, "")
    values = [json.loads(line) for line in evaluated(*argv, "--json").out.splitlines()]
    assert [report["input"] for report in values] == [str(quiet), str(loops), str(origin_file)]
    assert "against_first" not in values[0]
    (pair,) = values[1]["against_first"]
    healthy = 8 - round(8 * values[0]["collapse_rate"])
    assert (pair["num_pairs"], pair["only_first"], pair["only_other"]) == (8, 0, healthy)
    assert pair["collapse_p"] == pytest.approx(min(1.0, 2 * 0.5**healthy), rel=1e-12)
    rows = [line.split() for line in printed.out.splitlines() if line.startswith(str(tmp_path.parent.parent))]
    params = f"{tiny(normalization='layernorm', max_seq_length=300).num_params:,}"
    assert [row[:4] for row in rows if "against" not in row] == [
        [str(quiet), params, "256", "8"], [str(loops), params, "256", "8"], [str(origin_file), "-", "-", "52"],
    ]  # fmt: skip
    # Collapse, the origin's failures, keywords, repetition, junk, syntax of `:` over and over.
    assert rows[1][4:9] == ["100.0%", "100.0%", "0.0%", "100.0%", "0.0%"]
    assert f"{quiet} against {loops}: 8 completions of the same prompts\n" in printed.out
    assert f"{quiet} against {origin_file}: 1 completions of the same prompts\n" in printed.out  # def add(a, b):


def test_with_several_protocols_each_has_its_own_comparison(
    evaluated: Evaluated, loops: Path, lively: Path, origin_file: Path
) -> None:
    done = evaluated("--compare", lively, loops, origin_file, "--num-prompts", 2, "--json")
    first, second, foreign = (json.loads(line) for line in done.out.splitlines())
    assert list(first) == list(second) == ["origin", "greedy", "plain"]
    for name, report in second.items():
        assert [(pair["protocol"], pair["num_pairs"]) for pair in report["against_first"]] == [(name, 2)]
    # A file of unknown protocol is one object, compared with each protocol of the first.
    assert [pair["protocol"] for pair in foreign["against_first"]] == ["origin", "greedy", "plain"]
    assert foreign["n"] == 52


def test_files_that_cannot_be_paired_are_reported_and_no_error(
    evaluated: Evaluated, origin_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"completion": "x = 1", "prompt": "y = 2"}\n')
    printed = evaluated("--compare", origin_file, other)
    assert printed.code == 0
    assert f"{origin_file} against {other}: not paired: no prompt in common\n" in printed.out
    values = [json.loads(line) for line in evaluated("--compare", origin_file, other, "--json").out.splitlines()]
    assert values[1]["against_first"][0]["not_paired"] == "no prompt in common"


def test_control_characters_of_a_model_are_escaped(evaluated: Evaluated, tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"completion": "\x1b[2J\x07" * 20, "prompt": "\x1b[31m"}) + "\n")
    printed = evaluated("--completions", path).out
    assert re.findall(r"[^\n\x20-\x7e]", printed) == []
    assert r"'\x1b[2J\x07'" in printed and r"'\x1b[31m'" in printed


def test_completions_are_never_executed(evaluated: Evaluated, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "evil.jsonl"
    path.write_text(json.dumps({"completion": f"open({str(mark)!r}, 'w')\n", "prompt": ""}) + "\n")
    assert json.loads(evaluated("--completions", path, "--json").out)["syntax_rate"] == 1.0
    assert not mark.exists()


def test_a_damaged_line_has_exit_code_2(evaluated: Evaluated, origin_file: Path) -> None:
    origin_file.write_text(origin_file.read_text() + '{"completion": ')
    done = evaluated("--completions", origin_file)
    assert (done.code, done.out) == (2, "")
    assert f"{origin_file}, line 53 is not JSON" in done.error


def test_a_checkpoint_that_is_missing_or_damaged_has_exit_code_1(
    evaluated: Evaluated, loops: Path, tmp_path: Path
) -> None:
    assert evaluated(tmp_path / "absent").code == 1
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "best.safetensors").write_bytes((loops / "best.safetensors").read_bytes()[:-50])
    done = evaluated(damaged)
    assert done.code == 1
    assert "cannot read checkpoint" in done.error


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give one of CHECKPOINT, --completions FILE and --compare"),
        (["run", "--completions", "a.jsonl"], "give one of"),
        (["--completions", "a.jsonl", "--compare", "a", "b"], "give one of"),
        (["--compare", "a"], "--compare needs two or more different inputs"),
        (["--compare", "a", "a/"], "--compare needs two or more different inputs"),
        (["--compare", "a", "b", "--save", "c"], "--save writes what a CHECKPOINT generates"),
        (["run", "--save", "."], "--save . is a folder"),
        (["--completions", "a.jsonl", "--num-prompts", "3"], "need a checkpoint"),
        (["--compare", "a.jsonl", "b.jsonl", "--prompts", "p.txt"], "need a checkpoint"),
        (["run", "--protocol", "greddy"], "unknown protocol 'greddy'; did you mean 'greedy'?"),
        (["run", "--num-prompts", "0"], "argument --num-prompts: must be a whole number of at least 1"),
        (["run", "--num-prompts", "257"], "--num-prompts 257 is more than the 256 prompts there are"),
        (["run", "--prompts", "absent.txt"], "cannot read prompts absent.txt"),
        (["--completions", "absent.jsonl"], "cannot read completions absent.jsonl"),
    ],
)
def test_wrong_usage_has_exit_code_2(evaluated: Evaluated, argv: list[str], message: str) -> None:
    done = evaluated(*argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.error


def test_a_protocol_that_a_file_does_not_have_is_refused(
    evaluated: Evaluated, origin_file: Path, lively: Path, tmp_path: Path
) -> None:
    done = evaluated("--completions", origin_file, "--protocol", "origin")
    assert (done.code, done.out) == (2, "")
    assert "leave --protocol out" in done.error
    path = tmp_path / "greedy.jsonl"
    evaluated(lively, "--num-prompts", 2, "--protocol", "greedy", "--save", path)
    refused = evaluated("--completions", path, "--protocol", "origin")
    assert refused.code == 2
    assert "has no completions of protocol origin" in refused.error
