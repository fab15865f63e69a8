"""Measure how large the house is: `python -m experiments.house_size [ROOT]`.

Prints, for the source tree at ROOT (default: this one): entries of nas/, Python files and lines, the median file, words
of the README, and how many files one trial passes on its way from proposal to report.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print the measures, one a line."""
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    package = root / "nas"
    files = sorted(package.rglob("*.py"))
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    rooms = [path for path in package.iterdir() if path.name != "__pycache__"]
    crumbs = [path for path in files if 0 < lines[path] < 40 and not path.name.startswith("__")]
    functions = [
        node.end_lineno - node.lineno + 1
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    readme = (root / "README.md").read_text(encoding="utf-8").split()
    print(f"entries of nas/          {len(rooms)}, of which modules {sum(path.suffix == '.py' for path in rooms)}")
    print(f"Python files             {len(files)}, lines {sum(lines.values())}")
    print(f"lines of a file, median  {statistics.median(lines.values()):g}, files under 40 lines {len(crumbs)}")
    print(
        f"lines of a function      median {statistics.median(functions):g}, over 40: {sum(n > 40 for n in functions)}"
    )
    walk = re.findall(r"^ *(\w+) +([\w/]+\.py) ", (root / "CONTRIBUTING.md").read_text("utf-8"), flags=re.MULTILINE)
    print(f"walk of one trial        {len(walk)} stops in {len({file for _, file in walk})} files (CONTRIBUTING.md)")
    print(f"words of README.md       {len(readme)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
