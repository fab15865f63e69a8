from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nas.errors import CodenasError
from nas.report.charts.pareto import pareto_figure
from nas.report.parts.drawing import write_png
from tests.helpers.report_studies import five


def test_png_without_a_browser_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaleido")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    with pytest.raises(CodenasError, match="needs a Chrome or Chromium"):
        write_png(pareto_figure(five()), tmp_path / "front.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("google-chrome")), reason="no Chrome here")
def test_png_is_written(tmp_path: Path) -> None:
    pytest.importorskip("kaleido")
    write_png(pareto_figure(five()), tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
