"""What comes from outside reaches a terminal as text that only stands there."""

import ast
from pathlib import Path

import pytest

import stratsim.cli
from stratsim.cli.text import clean, echo, heading, table

CLI = Path(stratsim.cli.__file__).parent
WITHOUT = {"text.py", "lazy.py"}
"""Modules that may print by click: the one that prints, and one that prints our own help."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, caf\u00e9 \u6f22", "plain, caf\u00e9 \u6f22"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("\x07\x08\x7f", "\\x07\\x08\\x7f"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\udcff", "\\udcff"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_a_character_that_does_something_is_shown(text, shown):
    assert clean(text) == shown


def test_everything_that_prints_is_clean(capsys):
    echo("\x1b[31m")
    echo("\x1b[31m", err=True)
    heading("\x1b[31m")
    table(("\x1b[31m", "b"), [("\x9b", "two\nlines")])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x9b" not in out
    assert "two\\nlines" in out


def test_no_command_prints_past_the_one_function():
    found = []
    for path in CLI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("echo", "secho") and path.name not in WITHOUT:
                found.append(f"{path.relative_to(CLI)}:{node.lineno}")
            if isinstance(node, ast.Name) and node.id == "print":
                found.append(f"{path.relative_to(CLI)}:{node.lineno}")
    assert found == []
