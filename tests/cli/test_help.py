"""`--help`: instant, complete, with examples."""

import json
import subprocess
import sys
from dataclasses import fields

import click
import pytest

from stratsim import __version__
from stratsim.cli import cli
from stratsim.run.spec import RunSpec

HEAVY = {"numpy", "pandas", "scipy", "simpy", "matplotlib", "rich", "msgspec", "pyarrow", "torch"}


def walk(command, path=()):
    """Yield every command below `command` with its path."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*path, name))


COMMANDS = dict(walk(cli))
TAKE_SOMETHING = [path for path, command in COMMANDS.items() if command.params and not isinstance(command, click.Group)]
IDS = [" ".join(path) or "stratsim" for path in COMMANDS]


def test_the_tree_is_complete():
    assert {" ".join(path) for path in COMMANDS} >= {
        "replay",
        *(f"trace {name}" for name in ("inspect", "convert", "generate", "fetch")),
        *(f"{kind} {name}" for kind in ("policy", "predictor") for name in ("list", "show")),
        *(f"profile {name}" for name in ("list", "show", "pairs")),
        "plot",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_is_printed(call, path):
    ran = call(*path, "--help")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: {' '.join(('stratsim', *path))} ")
    assert call(*path, "-h") == ran


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_every_command_and_option_says_what_it_does(path):
    command = COMMANDS[path]
    assert command.help
    assert command.help.strip().split("\n")[0].endswith(".")
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


@pytest.mark.parametrize("path", TAKE_SOMETHING, ids=" ".join)
def test_a_command_with_arguments_shows_examples_that_parse(path):
    command = COMMANDS[path]
    text = f"{command.help}\n{command.epilog}"
    name = " ".join(("stratsim", *path))
    examples = [line for line in text.splitlines() if line.strip().startswith(f"{name} ")]
    assert examples, f"{name} --help shows no example"
    known = {text for option in command.params for text in (*option.opts, *option.secondary_opts)}
    for example in examples:
        used = {word.partition("=")[0] for word in example.split() if word.startswith("--")}
        assert used <= known, example


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_fits_the_screen(call, path):
    assert max(len(line) for line in call(*path, "--help").out.splitlines()) <= 120


def test_a_groups_summaries_are_the_commands_own_lines(call):
    for path, command in COMMANDS.items():
        if isinstance(command, click.Group):
            shown = call(*path, "--help").out.partition("Commands:")[2]
            for name in command.list_commands(click.Context(command)):
                assert f"  {name} " in shown


def test_every_setting_of_replay_is_named_with_its_default(call):
    out = "".join(call("replay", "--help").out.split())
    for field in fields(RunSpec):
        name = field.name.removesuffix("_s")
        known = name in ("trace", "transfers") or f"--{name.replace('_', '-')}" in out or field.name in out
        assert known, field.name
    spec = RunSpec()
    assert "[default:theprofile's]" in out
    for name in ("profile", "max_concurrency", "max_batch", "drop", "seed"):
        assert f"[default:{getattr(spec, name)}" in out, name


def test_version(call):
    ran = call("--version")
    assert (ran.status, ran.out, ran.err) == (0, f"stratsim {__version__}\n", "")


def modules_after(*calls):
    code = (
        "import contextlib, io, json, sys\n"
        "from stratsim.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    statuses = [main(argv) for argv in {json.dumps([list(argv) for argv in calls])}]\n"
        "print(json.dumps([statuses, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    statuses, modules = json.loads(ran.stdout)
    assert set(statuses) == {0}
    return set(modules)


def test_no_help_imports_anything_heavy():
    """What makes `--help` instant, and what a measured time would only hint at."""
    modules = modules_after(*((*path, "--help") for path in COMMANDS), ("--version",))
    assert "stratsim" in modules
    assert not modules & HEAVY


def test_the_policy_commands_need_no_numbers():
    assert not modules_after(["policy", "list"], ["policy", "show", "edf"]) & HEAVY
