"""Check whether unfinished text can be the beginning of valid Python; it is parsed, never executed."""

from __future__ import annotations

import ast
import threading
import warnings

# The flag by which `codeop` lets `compile` tell unfinished input from wrong input; it has no public name.
_ALLOW_INCOMPLETE_INPUT = 0x4000
_FLAGS = ast.PyCF_ONLY_AST | _ALLOW_INCOMPLETE_INPUT
_MAX_BYTES = 64 * 1024
_STEP = 4
# Warning filters belong to the whole process, so only one text at a time may change them.
_FILTERS = threading.Lock()


def is_python_so_far(prompt: str, completion: str) -> bool:
    """Return whether prompt and completion together are the beginning of a valid Python file.

    The last line of a completion is dropped unless it is ended, for the byte limit may have cut it. Where
    that line is all there is, nothing is dropped, and any continuation is allowed; a line that was cut inside a word
    can still be rejected wrongly.

    A prompt cut from code may start indented: it is put inside as many `if 1:` as its first line needs, in
    steps of four spaces, of one tab, or in one step where neither fits. A prompt that this cannot repair makes the
    result False, whoever wrote the completion: one that starts inside a bracket, a docstring or a `try`, at an
    `else`, or in code indented by two. So compare with human continuations of the same prompts.

    The result says little about quality. Text that parses may mean nothing: names need not exist, a list of bare
    names is Python, and so is `@propertypropertyproperty`. Text that stops early gets the benefit of the doubt: all
    that follows an unclosed triple quote is the inside of a string, and an empty text is the beginning of
    every file. The Python version is the one that runs this code.

    Text over 64 KB, or nested so deeply that the parser fails, is False.
    """
    whole_lines = completion[: completion.rfind("\n") + 1]
    if whole_lines.strip():
        return _begins_a_file(prompt + whole_lines)
    text = prompt + completion
    # A backslash continues on the next line: any text that can continue is then unfinished, also an open quote.
    return _begins_a_file(text) or _begins_a_file(text + " \\\n")


def _begins_a_file(text: str) -> bool:
    if len(text.encode("utf-8", errors="surrogatepass")) > _MAX_BYTES:
        return False
    source = _outer_blocks(text) + text
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is not an error
            compile(source, "<completion>", "exec", _FLAGS, dont_inherit=True)
    except SyntaxError as error:
        # Python 3.13 has a separate class for it, with no public name.
        return error.msg == "incomplete input" or type(error).__name__ == "_IncompleteInputError"
    except (ValueError, OverflowError, RecursionError, MemoryError):
        return False  # null bytes and lone surrogates are ValueErrors
    return True


def _outer_blocks(text: str) -> str:
    """Return the `if 1:` lines that make the indentation of the first non-blank line legal."""
    first = next((line for line in text.split("\n") if line.strip(" \t\r\f")), "")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    if not indent:
        return ""
    step = next((unit for unit in ("\t", " " * _STEP) if indent.replace(unit, "") == ""), indent)
    return "".join(f"{step * level}if 1:\n" for level in range(len(indent) // len(step)))
