from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable

import pytest

from nas import cli, errors
from nas.errors import CodenasError

EXIT_CODES = {
    "CodenasError": 1,
    "UsageError": 2,
    "SpaceError": 2,
    "ArchitectureError": 2,
    "CorpusError": 2,
    "CacheError": 1,
    "StudyError": 1,
    "FolderBusy": 1,
    "StudyMismatch": 1,
    "CheckpointError": 1,
    "ExportError": 1,
    "TrialFailure": 1,
    "Diverged": 1,
    "OutOfMemory": 1,
    "Leak": 1,
    "Collapsed": 1,
}


@pytest.fixture(autouse=True)
def restored_process() -> object:
    """Restore the signal handler and the warnings that `cli.run` replaces."""
    handler, show = signal.getsignal(signal.SIGTERM), warnings.showwarning
    yield
    signal.signal(signal.SIGTERM, handler)
    warnings.showwarning = show


def run(command: Callable[[], int | None]) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.run(command, "nas.test")
    assert isinstance(caught.value.code, int)
    return caught.value.code


def raising(error: BaseException) -> Callable[[], int | None]:
    def command() -> int | None:
        raise error

    return command


def python(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60, check=False
    )


def test_every_error_of_the_family_has_an_exit_code_and_is_drawn_in_the_tree() -> None:
    family = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, CodenasError)
    }
    assert family == EXIT_CODES.keys()
    assert family == {"CodenasError", *re.findall(r"── (\w+)", errors.__doc__ or "")}


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items())
def test_an_error_of_the_family_is_one_line_and_its_exit_code(
    name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(getattr(errors, name)("what was found;\n  what to do"))) == code
    captured = capsys.readouterr()
    assert captured.err == "nas.test: error: what was found; what to do\n"
    assert captured.out == ""


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (2, 2)])
def test_the_return_value_of_a_command_is_its_exit_code(returned: int | None, code: int) -> None:
    assert run(lambda: returned) == code


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "free some space"),
        (errno.EACCES, "check the path and its permissions"),
        (errno.EROFS, "check the path and its permissions"),
        (errno.EEXIST, "check the path and its permissions"),
        (errno.ENOTDIR, "check the path and its permissions"),
        (errno.EISDIR, "check the path and its permissions"),
        (errno.ENAMETOOLONG, "check the path and its permissions"),
    ],
)
def test_a_disk_that_cannot_be_written_is_one_line(
    number: int, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(OSError(number, os.strerror(number), "/some/file"))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{os.strerror(number)}: /some/file; {advice}" in line


@pytest.mark.parametrize("error", [ValueError("a defect"), OSError(errno.EIO, "I/O"), KeyError("x")])
def test_a_defect_of_ours_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        cli.run(raising(error), "nas.test")


def test_an_interrupt_is_130() -> None:
    assert run(raising(KeyboardInterrupt())) == 130


def test_sigterm_ends_a_command_as_an_interrupt_does_with_143() -> None:
    source = """
        import sys, time
        from nas import cli

        def command():
            try:
                print("ready", flush=True)
                time.sleep(50)
            except KeyboardInterrupt:
                print("cleaned up", flush=True)
                raise

        cli.run(command, "nas.test")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert (out, err) == ("cleaned up\n", "")
    assert time.monotonic() - started < 20


def test_a_closed_pipe_is_silent() -> None:
    source = """
        import sys
        from nas import cli

        def command():
            for _ in range(100_000):
                print("a line of output")

        cli.run(command, "nas.test")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=30) == 1


def test_a_warning_is_one_line_on_stderr() -> None:
    done = python("""
        import warnings
        from nas import cli
        cli.run(lambda: warnings.warn("that is ignored"), "nas.test")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "warning: that is ignored\n")


def test_wrong_flags_are_one_line_and_2_and_no_flag_is_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    parser = cli.parser("nas.test", "what it does")
    parser.add_argument("--budget", type=cli.positive_int)
    for arguments in (["--budge", "3"], ["--budget", "many"], ["--nothing"]):
        with pytest.raises(SystemExit) as caught:
            parser.parse_args(arguments)
        assert caught.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("nas.test: error: ")
        assert line.endswith("; python -m nas.test --help lists the flags")


def test_a_flag_can_be_written_with_underscores_and_its_value_stays(capsys: pytest.CaptureFixture[str]) -> None:
    parser = cli.parser("nas.test", "what it does")
    parser.add_argument("--batch-tokens", type=cli.positive_int)
    parser.add_argument("--out-dir")
    parser.add_argument("file_name", nargs="?")
    arguments = parser.parse_args(["--batch_tokens", "1_000", "--out_dir=a_b=--batch_tokens", "c_d"])
    assert vars(arguments) == {"batch_tokens": 1000, "out_dir": "a_b=--batch_tokens", "file_name": "c_d"}
    assert parser.parse_args(["--batch-tokens=7", "--out_dir", "x_y"]).out_dir == "x_y"
    with pytest.raises(SystemExit):
        parser.parse_args(["--batch_token", "1"])
    assert "unrecognized arguments: --batch_token" in capsys.readouterr().err


def test_underscores_reach_subcommands_and_the_arguments_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = cli.parser("nas.test", "what it does")
    parser.add_subparsers(dest="command").add_parser("train").add_argument("--num-steps")
    monkeypatch.setattr(sys, "argv", ["nas.test", "train", "--num_steps", "3"])
    assert parser.parse_args().num_steps == "3"


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("40", 40), ("1e6", 1_000_000), ("1_000", 1000), ("2.0", 2), (" 7 ", 7)]
)
def test_positive_integers(text: str, value: int) -> None:
    assert cli.positive_int(text) == value
    assert isinstance(cli.positive_int(text), int)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "nan", "inf", "1e400", "1e-5"])
def test_other_values_are_refused_as_positive_integers(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="found"):
        cli.positive_int(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("40", 40), ("1e3", 1000)])
def test_non_negative_integers(text: str, value: int) -> None:
    assert cli.non_negative_int(text) == value
    assert isinstance(cli.non_negative_int(text), int)


@pytest.mark.parametrize("text", ["-1", "0.5", "many", "", "nan", "inf"])
def test_other_values_are_refused_as_non_negative_integers(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="found"):
        cli.non_negative_int(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-5", -5), ("9223372036854775807", (1 << 63) - 1)])
def test_seeds(text: str, value: int) -> None:
    assert cli.seed(text) == value


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "1.5", "x", "", "nan"])
def test_other_values_are_refused_as_seeds(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="at most 64 bits, found"):
        cli.seed(text)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (cli.positive_float, "1e-9", 1e-9),
        (cli.positive_float, "1e14", 1e14),
        (cli.non_negative_float, "0", 0),
        (cli.non_negative_float, "2", 2),
    ],
)
def test_numbers(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (cli.positive_float, "0"),
        (cli.positive_float, "-1"),
        (cli.positive_float, "nan"),
        (cli.positive_float, "inf"),
        (cli.non_negative_float, "-0.1"),
        (cli.non_negative_float, "nan"),
        (cli.non_negative_float, "much"),
    ],
)
def test_other_values_are_refused_as_numbers(read: Callable[[str], float], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a number"):
        read(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("base", True),
        ("a-b_c.2", True),
        ("-x", True),
        ("", False),
        (".", False),
        ("..", False),
        (".hidden", False),
        ("a/b", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_plain_names(text: str, plain: bool) -> None:
    assert cli.is_plain_name(text) is plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("def f():\n\treturn 'é語'", "def f():\n\treturn 'é語'"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb\x00\x7f", "a\\rb\\x00\\x7f"),
        ("\u202e\u2028\ud800", "\\u202e\\u2028\\ud800"),
        ("\\ \"'", "\\ \"'"),
        ("\ufffd", "\ufffd"),
    ],
)
def test_control_characters_do_not_reach_a_terminal(text: str, shown: str) -> None:
    assert cli.printable(text) == shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["search", "--help"],
        ["report", "--help"],
        ["export", "--help"],
        ["tokenizer", "--help"],
        ["tokenizer", "train", "--help"],
    ],
)
def test_help_is_instant_and_needs_no_torch(arguments: list[str]) -> None:
    source = f"""
        import sys
        sys.argv = ["nas", *{arguments!r}]
        from nas.__main__ import main
        try:
            main()
        finally:
            heavy = {{"torch", "optuna", "plotly"}} & sys.modules.keys()
            assert not heavy, heavy
    """
    done = python(source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""


def test_an_unknown_command_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nas", "trian"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("nas: error: unknown command 'trian'; did you mean 'train'? (allowed: ")
    assert done.stderr.count("\n") == 1
