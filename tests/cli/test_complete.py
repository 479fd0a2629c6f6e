"""What the shell offers for Tab: the names that there are, at once, in every place that takes them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from stratsim import bundled
from stratsim.cli import cli, complete
from stratsim.cli.lazy import COMPLETING
from stratsim.device import EXECUTION_MODELS
from stratsim.model.groups import DEALS
from stratsim.plugins import points
from stratsim.policy import DropMode

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
HEAVY = ("numpy", "scipy", "simpy", "pandas", "msgspec", "pyarrow", "matplotlib", "torch", "rich")


@pytest.fixture
def offered(monkeypatch, capsys):
    """Return what a shell is told for a line, the last word of which is incomplete, by type of completion."""

    def ask(line):
        words = line.split(" ")
        monkeypatch.setenv(COMPLETING, "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit):
            cli.main(prog_name="stratsim")
        return [each.partition(",")[::2] for each in capsys.readouterr().out.splitlines()]

    return ask


def names(items):
    return [name for kind, name in items if kind == "plain"]


def test_names_that_stand_in_two_places_are_the_same():
    assert set(complete.DEVICE_MODELS) == set(EXECUTION_MODELS)
    assert tuple(mode.value for mode in DropMode) == complete.DROP_MODES
    assert complete.DEALS == DEALS


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stratsim replay --policy ", list(points("stratsim.policies"))),
        ("stratsim replay --profile ", list(bundled.names("profiles"))),
        ("stratsim replay --topology ", list(bundled.names("topologies"))),
        ("stratsim replay ", list(bundled.names("traces"))),
        ("stratsim replay --device-model ", list(complete.DEVICE_MODELS)),
        ("stratsim capacity --drop ", list(complete.DROP_MODES)),
        ("stratsim replay --deal m", ["model"]),
        ("stratsim live --policy priority-", ["priority-edf", "priority-fifo"]),
        ("stratsim trace convert in.csv out.csv --profile h", ["h200-fp16", "h200-fp16-served"]),
        ("stratsim trace inspect --trace-format azure-l", ["azure-llm"]),
        ("stratsim profile show rtx", ["rtx3080-disb"]),
        ("stratsim profile compare h200-fp16 a100", ["a100-80gb-parvagpu"]),
        ("stratsim policy show fewest", ["fewest-late"]),
        ("stratsim predictor show ewma", ["ewma-features", "ewma-pairs"]),
        ("stratsim device show pair", ["pairwise"]),
    ],
)
def test_the_names_that_there_are_are_offered(offered, line, expected):
    assert names(offered(line)) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("edf,priority-e", ["edf,priority-edf"]),
        ("edf(max_batch=4),fi", ["edf(max_batch=4),fifo"]),
        ("strait(predictor=rl", ["strait(predictor=rls"]),
        ("strait(refresh=8,predictor=rl", ["strait(refresh=8,predictor=rls"]),
        ("edf,edf(drop=ex", ["edf,edf(drop=expired"]),
        ("edf(max_batch=", []),
        ("edf(max", []),
        ("nobody", []),
    ],
)
def test_a_list_is_continued_by_comma_and_within_brackets(offered, typed, expected):
    assert names(offered(f"stratsim replay --policy {typed}")) == expected


def test_where_no_name_begins_so_the_shell_offers_files(offered):
    assert [kind for kind, _ in offered("stratsim replay --profile ./my")] == ["file"]
    assert [kind for kind, _ in offered("stratsim replay --policy docs/sho")] == ["file"]
    assert names(offered("stratsim replay --config my")) == []


def test_policies_of_a_folder_are_not_taken_for_those_that_there_are(offered):
    assert names(offered("stratsim explain results/demo --policy e")) == []


def test_every_parameter_that_is_named_exists():
    """A name in the tables of `complete` that no command has any more would be dead."""

    def leaves(command, path=()):
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                yield from leaves(command.get_command(context, name), (*path, name))
        else:
            yield " ".join(path), {parameter.name for parameter in command.params}

    found = dict(leaves(cli))
    everywhere = set().union(*found.values())
    assert set(complete._BY_PARAMETER) | set(complete._LISTS) <= everywhere
    for key in complete._BY_COMMAND:
        path, _, parameter = key.rpartition(" ")
        assert parameter in found[path], key
    assert set(complete._OF_NO_POLICY) <= set(found)


def test_nothing_heavy_is_imported_for_a_tab():
    code = (
        "import sys\nfrom stratsim.cli import cli\n"
        "try:\n    cli.main(prog_name='stratsim')\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    environment = {
        **os.environ, COMPLETING: "bash_complete", "COMP_WORDS": "stratsim replay --policy edf,pri", "COMP_CWORD": "3"
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "priority-edf" in done.stdout
    assert not set(done.stderr.split()) & set(HEAVY)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_as_the_page_switches_it_on(tmp_path):
    (line,) = [each.strip() for each in PAGE.splitlines() if "bash_source" in each]
    program = tmp_path / "stratsim"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m stratsim "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    command = line.partition("#")[0].strip()
    script = (
        f'{command}\nCOMP_WORDS=(stratsim replay --policy fewest)\nCOMP_CWORD=3\n_stratsim_completion stratsim\n'
        'echo "${COMPREPLY[@]}"'
    )  # fmt: skip
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "fewest-late", done.stderr
