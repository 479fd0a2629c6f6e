"""Reads `NAME(parameter=value, ...)`, and lists of those: literals or words, nothing is evaluated."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from math import inf
from typing import Any

from stratsim.errors import SpecError

__all__ = ["PluginCall", "keywords_of", "read_keywords", "split"]

_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_PATH = re.compile(r"""('[^']*'|"[^"]*")|(?<==)\s*([^\s,()\[\]{}='"]*(?:/|\.py:)[^,()\[\]{}='"]*?)(?=\s*[,)])""")
"""A string in quotes, or a value that is a path, with a slash, or what a file defines: FILE.py:NAME."""


@dataclass(frozen=True, slots=True)
class PluginCall:
    """A plug-in as it was asked for: `text` is the whole, `name` is what stands before the parameters."""

    text: str
    name: str
    parameters: dict[str, Any]


def keywords_of(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the parameters of `NAME(parameter=value, ...)`; the brackets may be absent.

    Args:
        kind: What it names, for the message.
        text: What was asked for.

    Raises:
        SpecError: the parameters cannot be read.
    """
    name, bracket, rest = text.partition("(")
    if not bracket:
        return text.strip(), {}
    try:
        return name.strip(), read_keywords(f"f({rest}")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deep
        raise SpecError(f"cannot read {kind} {text!r}: parameters are NAME=VALUE, separated by commas") from None


def split(text: str) -> list[str] | None:
    """Split at the commas outside brackets; None where brackets do not match or a part is empty."""
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += _BRACKETS.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return None if depth or not all(part.strip() for part in parts) else parts


def read_keywords(code: str) -> dict[str, Any]:
    """Read `f(NAME=VALUE, ...)`; anything else is a ValueError or a SyntaxError."""
    code = _PATH.sub(lambda found: found[1] or repr(found[2]), code)
    tree = ast.parse(code, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.args:
        raise ValueError("only NAME=VALUE")
    if any(keyword.arg is None for keyword in tree.keywords):
        raise ValueError("no **")
    return {str(keyword.arg): _value(keyword.value, code) for keyword in tree.keywords}


def _value(node: ast.expr, code: str) -> Any:
    """Return a literal; a word is a string, but `true`, `false` and `inf` are TOML's; NAME(...) stays text."""
    text = ast.get_source_segment(code, node) or ""
    name, bracket, rest = text.partition("(")
    if not _WORD.fullmatch(name.strip()) or text in ("True", "False", "None"):
        return ast.literal_eval(node)
    if not bracket:
        return {"true": True, "false": False, "inf": inf}.get(text, text)
    read_keywords(f"f({rest}")  # raises what cannot be read
    return text
