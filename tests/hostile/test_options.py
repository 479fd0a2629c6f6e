"""Every option of every command, with values that nobody means: a line that names it, and never a hang."""

import click
import pytest

from stratsim.cli import cli

pytestmark = pytest.mark.slow  # hundreds of processes with limits of their own


BASES = {
    "replay": ["--limit", "5", "--policy", "fifo", "--quiet"],
    "live": ["--device", "cpu", "--profile", "rtx3080-disb", "--limit", "2"],
    "fidelity report": ["{run}"],
    "fidelity run": ["grid.toml", "--out", "grid", "--dry-run"],
    "fidelity observe": ["no-such-log.json"],
    "fidelity replay": ["no-such-log.json", "--profile", "rtx3080-disb", "--policy", "fifo"],
    "fidelity again": ["{run}"],
    "fidelity calibrate": ["{run}", "--out", "calibrated.json"],
    "compare": ["{run}", "--metric", "violation"],
    "capacity": [
        "--target",
        "high=1%",
        "--limit",
        "20",
        "--seeds",
        "2",
        "--policy",
        "fifo",
        "--precision",
        "50%",
    ],
    "explain": ["{run}", "--worst", "1"],
    "report": ["{run}", "--out", "page.html"],
    "plot": ["{run}", "--kind", "violations", "--out", "f.png"],
    "profile show": ["rtx3080-disb"],
    "profile new": ["--out", "n.json"],
    "profile schema": ["--out", "s.json", "--overwrite"],
    "profile pairs": ["rtx3080-disb", "--out", "pairs.json"],
    "profile import": ["pairs", "no-such-table.csv", "--out", "i.json"],
    "profile pad": ["rtx3080-disb", "--batches", "1", "--out", "pad.json"],
    "profile compare": ["rtx3080-disb", "h200-fp16"],
    "profile run": ["--device", "cpu", "--out", "p.json", "--dry-run"],
    "profile fit": ["no-such-samples.jsonl", "--out", "p.json"],
    "profile check": ["h200-fp16", "no-such-samples.jsonl"],
    "profile bundle": ["no-such-profile.json", "no-such.samples.jsonl.gz", "--out", "b.zip"],
    "device list": [],
    "device show": ["streams"],
    "device score": ["rtx3080-disb"],
    "policy show": ["fifo"],
    "predictor show": ["rls"],
    "predictor score": ["rtx3080-disb"],
    "topology show": ["8x-h800"],
    "trace inspect": ["default"],
    "trace convert": ["default", "t.csv", "--overwrite"],
    "trace generate": ["-n", "5", "--out", "g.csv", "--overwrite"],
    "trace fetch": ["no-such-trace"],
    "validate": ["--only", "no-such-case"],
    "sweep run": ["sweep.toml", "--out", "sweep"],
    "sweep plan": ["sweep.toml", "--no-time"],
    "sweep resume": ["no-such-folder"],
    "sweep replay": ["no-such-folder", "row", "--out", "result"],
    "sweep show": ["no-such-folder"],
}
"""What each command is called with beside the option: as little work as there is."""
VALUES = ["0", "-1", "1", "1e30", "1e-320", "nan", "inf", "-inf", "9" * 400, "1e999", "", "x", "\x1b[31m", "../../x"]
VALUES += ["/dev/zero", "/dev/full", "x.py:X", "a=b", "a" * 5000, "[" * 2000, "\udcff", "\u202e", "=1+1"]
VALUES += ["1000000000000", "{run}"]


SWEEP = """
title = "t"
[base]
policy = "fifo"
profile = "asymmetric-six"
[sweep]
seeds = [1]
[arrivals]
requests = 20
"""


def options(group, path=()):
    """Yield the command and each way to give it a value: an option, or an argument by itself."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from options(command, (*path, name))
            continue
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.is_flag:
                yield " ".join((*path, name)), parameter.opts[0]
            elif isinstance(parameter, click.Argument):
                yield " ".join((*path, name)), ""


CASES = [(*each, value) for each in options(cli) for value in VALUES]


def test_every_command_with_an_option_has_a_base():
    assert {command for command, _, _ in CASES} <= set(BASES)


@pytest.mark.cases(CASES, 40)
def test_any_value_of_any_option(attack, copied, tmp_path, case):
    (tmp_path / "here" / "sweep.toml").write_text(SWEEP)
    command, option, value = case
    base = [arg.format(run=copied) for arg in BASES[command]]
    given = [value.format(run=copied)] if "{" in value else [value]
    if not option:
        base = [arg for arg in base if arg != str(copied)]
    found = attack(*command.split(), *base, *([option] if option else ["--"]), *given)
    assert found.status in (0, 1, 2)
