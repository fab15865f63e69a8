from __future__ import annotations

from pathlib import Path

from nas.report.study.markdown import markdown
from tests.helpers.report_studies import five, study, verdict


def test_it_has_the_verdict_the_front_the_checks_and_the_commands(tmp_path: Path) -> None:
    (tmp_path / "arch.json").write_text("{}")
    judged = verdict((1, 1.95, 0.2, 0.3), (0, 2.30, 0.0, 0.1))
    lines = markdown(tmp_path, study(verdict=judged), five(), 1.0).splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# Study base",
        "## Verdict on the holdout",
        "## Front: bits per byte, collapse rate, parameters",
        "## Health",
        "## What to do next",
    ]
    assert "| trial 1 | 1.950 | 2.200 | 0.300 | 2.250 | \N{EN DASH} | " in "\n".join(lines)
    assert f"python -m nas.train --arch-json {tmp_path}/arch.json --max-steps 2000  # train it fully" in lines


def test_words_of_a_record_are_no_markup(tmp_path: Path) -> None:
    assert markdown(tmp_path, study(name="<b>*x*|"), [], 1.0).startswith("# Study \\<b\\>\\*x\\*\\|\n\nNo trial")
