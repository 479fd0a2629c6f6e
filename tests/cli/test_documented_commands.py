"""Every command on every page is one that exists, with options that it has and values that these take.

Blocks of Python compile, those of TOML and JSON can be read.
"""

import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from stratsim.cli import cli

ROOT = Path(__file__).parents[2]
WRITTEN = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *WRITTEN]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
READ = {
    "python": lambda text: (
        text.startswith(">>>") or compile(text, "a page", "exec")
    ),  # tests/unit/test_docs.py runs those
    "toml": tomllib.loads,
    "json": json.loads,
}
SHOWN = re.compile(r"^(?: {4,}|\$ ?)(?:uv run )?(stratsim .*)$")
"""A command: a line of a code block, indented or after a prompt."""
FENCE = re.compile(r"^\s*```")
NO_MORE = re.compile(r"\s+#\s.*$|\s*(?:\||>|&&|;)\s.*$")
"""Where a command ends: a comment, a pipe, the next command."""
VARIABLE = re.compile(r"\$\w+")


def commands_of(text):
    """Yield the commands that a page shows, each as one line."""
    lines = iter(text.splitlines())
    fenced = False
    for line in lines:
        if FENCE.match(line):
            fenced = not fenced
        found = SHOWN.match(f"    {line}" if fenced and line.startswith("stratsim ") else line)
        if found is None:
            continue
        command = found[1]
        while command.endswith("\\"):
            command = command[:-1] + next(lines).strip()
        yield NO_MORE.sub("", command)


def documented():
    for page in PAGES:
        for command in commands_of(page.read_text(encoding="utf-8")):
            yield pytest.param(command, id=f"{page.relative_to(ROOT)}: {command[:70]}")


def blocks():
    for page in PAGES:
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if kind in READ:
                yield pytest.param(kind, text, id=f"{page.relative_to(ROOT)}: {kind} {number}")


def parse(argv):
    """Take a command line apart as running it would, without running it; files need not be there."""
    command, context = cli, click.Context(cli, info_name="stratsim", **cli.context_settings)
    while isinstance(command, click.Group):
        assert argv, f"{context.command_path} needs a command"
        command.parse_args(context, list(argv))  # a group may put a command in
        name, found, argv = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    values, rest, order = command.make_parser(context).parse_args(args=list(argv))
    assert not [each for each in rest if each.startswith("-")], rest
    for parameter in command.params:
        given = parameter in order or values.get(parameter.name) not in (None, (), click.core.UNSET)
        assert given or not parameter.required, f"{context.command_path} needs {parameter.get_error_hint(context)}"
    for parameter in dict.fromkeys(order):
        value = values.get(parameter.name)
        if value is not None and value is not click.core.UNSET:
            parameter.type_cast_value(context, value)


@pytest.mark.parametrize("command", list(documented()))
def test_a_command_on_a_page_is_one_that_exists(command):
    argv = shlex.split(VARIABLE.sub("1", command))[1:]
    if "--help" not in argv and not any(each in ("...", "COMMAND") for each in argv):
        parse(argv)


@pytest.mark.parametrize(("kind", "text"), list(blocks()))
def test_a_block_on_a_page_can_be_read(kind, text):
    READ[kind](text)


def test_the_pages_show_commands():
    assert sum(1 for _ in documented()) > 100
