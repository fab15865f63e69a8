"""Build the documentation site: `make docs`."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from nas import __version__  # noqa: E402 - the source tree comes first

project = "codenas"
release = version = __version__
copyright = "the codenas authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
default_role = "code"
smartquotes = False  # flags begin with two dashes
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
html_theme = "furo"
html_title = "codenas"
html_show_sourcelink = False
html_copy_source = False


def collect_results() -> None:
    """Copy the pages of experiments/ and benchmarks/ into docs/results/, with links that hold in the site.

    They live beside the code and the data that make them. The copies are not committed.
    """
    pages = {f"experiments/{path.parent.name}/README.md": path for path in ROOT.glob("experiments/*/README.md")}
    pages["experiments/README.md"] = ROOT / "experiments/README.md"
    pages["benchmarks/README.md"] = ROOT / "benchmarks/README.md"
    names = {page: f"{Path(page).parent.name.replace('_', '-')}.md" for page in pages}
    target = HERE / "results"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for page, path in pages.items():

        def link(match: re.Match[str], folder: Path = path.parent) -> str:
            text, address, anchor = match[1], match[2], match[3] or ""
            if "://" in address or not address:
                return match[0]
            found = (folder / address).resolve()
            inside = found.relative_to(ROOT).as_posix() if found.is_relative_to(ROOT) else address
            if inside in names:
                return f"[{text}]({names[inside]}{anchor})"
            if found.suffix == ".png":
                shutil.copy(found, target / found.name)
                return f"[{text}]({found.name})"
            if inside.startswith("docs/") and found.suffix == ".md":
                return f"[{text}](../{inside.removeprefix('docs/')}{anchor})"
            return f"{text} (`{inside}`)" if text.strip("`") != inside else f"`{inside}`"

        text = re.sub(r"\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)", link, path.read_text(encoding="utf-8"))
        (target / names[page]).write_text(text, encoding="utf-8")


collect_results()
