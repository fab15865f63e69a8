"""Compare two folders of records field by field: `python -m tests.helpers.compare_records BEFORE AFTER`.

For a change that must not change what is computed: run the same commands before and after it, then compare their output
folders. Every JSON and JSON-lines file of BEFORE must exist in AFTER with equal fields. Keys, values and files that
were renamed since are looked up in renamed_keys.json beside this file. What a clock, a machine or a command line
decides, and prose, is not compared.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RENAMED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("renamed_keys.json").read_text("utf-8"))
"""`keys`: old -> new, a key alone or as `parent.key`; `inner_keys`: the same, of keys that hold objects; `paths`: old
place in a record -> new place, where -1 is the last of a list; `values`: old -> all new ones; `files`: old -> new."""
MISSING = object()
INTERVAL_TOLERANCE = 1e-8
"""Wilson intervals are scipy's since: it has the normal quantile to all digits, where the code before had six."""
NOT_COMPARED = re.compile(
    r"(^|\.)(reason|shortcomings|figure|advice|did|measured|provenance|command|date|elapsed_sec|seconds|spent|run_id"
    r"|path|folder|out|started|revision)(\.|$)"
    r"|seconds|per_second|schema_version|version$"
)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted path and value of every leaf of JSON data."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}" if path else str(index))
    else:
        yield path, value


def documents(path: Path, folder: Path) -> list[Any]:
    """Return the JSON values of a .json or .jsonl file, without the name of the folder that they lie in."""
    text = path.read_text(encoding="utf-8").replace(str(folder), "")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:  # several objects, one a line
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def today(path: str) -> str:
    """Return a dotted path of BEFORE under today's names."""
    keys, names = path.split("."), RENAMED["keys"]
    words = [key for key in keys if not key.isdigit()]
    parents = dict(zip(words[1:], words, strict=False))
    inner = [RENAMED["inner_keys"].get(key, key) for key in keys[:-1]]
    return ".".join(names.get(f"{parents.get(key)}.{key}", names.get(key, key)) for key in [*inner, keys[-1]])


def lookup(data: Any, path: str) -> Any:
    """Return the value at a dotted path in which -1 is the last item of a list; MISSING if there is none."""
    for key in path.split("."):
        try:
            data = data[int(key)] if isinstance(data, list) else data[key]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return data


def is_equal(path: str, before: Any, after: Any) -> bool:
    """Return whether two leaves are equal: exactly, or an end of a 95% interval to INTERVAL_TOLERANCE."""
    if "interval" in path and isinstance(before, float) and isinstance(after, float):
        return math.isclose(before, after, abs_tol=INTERVAL_TOLERANCE)
    return bool(before == after or after in RENAMED["values"].get(str(before), ()))


def differences(before: Any, after: Any) -> Iterator[str]:
    """Yield a line for each field of `before` that `after` lacks or that differs there."""
    for path, value in leaves(before):
        first, _, rest = path.partition(".")
        moved = RENAMED["paths"].get(first)
        if NOT_COMPARED.search(path):
            continue
        found = lookup(after, today(path))
        if moved and found is MISSING:
            found = lookup(after, f"{moved}.{today(rest)}" if rest else moved)
        if found is MISSING and not (moved and value is None):
            yield f"{path}: missing, was {value!r}"
        elif found is not MISSING and not is_equal(path, value, found):
            yield f"{path}: before {value!r}, after {found!r}"


def main() -> int:
    """Print every difference; exit code 1 where there is one."""
    before, after = Path(sys.argv[1]), Path(sys.argv[2])
    num_files = num_fields = num_differences = 0
    for path in sorted(before.rglob("*.json*")):
        relative = str(path.relative_to(before))
        other = after / RENAMED["files"].get(relative, relative)
        if not other.exists():
            print(f"{relative}: no such file after")
            num_differences += 1
            continue
        if path.read_bytes() == other.read_bytes():
            num_files += 1
            continue
        first, second = documents(path, before), documents(other, after)
        found = [f"{len(first)} lines before, {len(second)} after"] if len(first) != len(second) else []
        for number, (one, two) in enumerate(zip(first, second, strict=False)):
            found += [f"line {number + 1}: {text}" for text in differences(one, two)]
            num_fields += sum(not NOT_COMPARED.search(name) for name, _ in leaves(one))
        num_files += 1
        num_differences += len(found)
        print(*(f"{relative}: {text}" for text in found), sep="\n", end="\n" if found else "")
    print(f"{num_files} files, {num_fields:,} fields compared, {num_differences} differences")
    print("not compared: clocks, machines, command lines, prose, versions of formats")
    return 1 if num_differences else 0


if __name__ == "__main__":
    sys.exit(main())
