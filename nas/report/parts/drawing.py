"""Shared style of all figures: palette, axis titles, margins; and export of a figure as a PNG.

People with colour vision deficiency can tell the palette apart (Okabe and Ito 2008). Figures have no background, so
that one drawing suits a light and a dark page.
"""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go

from nas.errors import CodenasError

BLUE, ORANGE, PURPLE, GREEN, RED, GREY = "#2b8cd6", "#e07b00", "#cc79a7", "#009e73", "#d55e00", "#8b95a1"
TEXT, GRID = "#7b828c", "rgba(128,136,148,0.25)"
SERIES_COLOURS = (BLUE, ORANGE, PURPLE, GREEN, GREY)
SERIES_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon", "star")
"""The look of several studies or runs in one chart: number i has colour i and symbol i, cyclically."""
BPB_AXIS = "validation bits per byte"
COLLAPSE_AXIS = "collapse rate (share of completions)"
FITNESS_AXIS = "fitness (bits per byte)"


def styled(figure: go.Figure, x_title: str, y_title: str, height: int = 480) -> go.Figure:
    """Give `figure` the axes, colours and margins that all figures share, and return it."""
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": GRID, "automargin": True}
    figure.update_layout(
        template="none",
        title=None,
        height=height,
        margin={"l": 60, "r": 16, "t": 36, "b": 56},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": TEXT, "activecolor": BLUE},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": TEXT},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"align": "left", "bgcolor": "#22272e", "font": {"color": "#f2f4f7"}},
    )
    figure.update_xaxes(title={"text": x_title, "font": {"size": 13}}, **axis)
    figure.update_yaxes(title={"text": y_title, "font": {"size": 13}}, **axis)
    return figure


def write_png(figure: go.Figure, path: Path, *, height: int = 640) -> None:
    """Write `figure` as PNG on white with kaleido and a Chrome; CodenasError names what is missing.

    Kaleido starts its browser without a sandbox, so this works as root and in containers. That is safe: the figure is
    our own drawing, and MathJax is off, so nothing is fetched. Buttons are left out.
    """
    try:
        import kaleido
        from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError, KaleidoError
    except ImportError:
        raise CodenasError("--png needs kaleido: pip install 'kaleido>=1'") from None
    drawing = go.Figure(figure)
    drawing.update_layout(paper_bgcolor="white", plot_bgcolor="white", font_color="#33383f", updatemenus=())
    try:
        image = kaleido.calc_fig_sync(
            drawing, opts={"format": "png", "width": 1000, "height": height, "scale": 2}, kopts={"mathjax": False}
        )
    except ChromeNotFoundError:
        raise CodenasError(
            "--png needs a Chrome or Chromium: install one (Debian: apt-get install chromium) or run "
            "kaleido_get_chrome; BROWSER_PATH names one that is not on PATH"
        ) from None
    except (BrowserFailedError, BrowserClosedError, KaleidoError, TimeoutError) as error:
        raise CodenasError(f"--png: the browser could not draw the figure: {error or type(error).__name__}") from None
    path.write_bytes(image)
