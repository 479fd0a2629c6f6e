"""`stratsim device list` and `stratsim device show`."""

import pytest

from stratsim.device import EXECUTION_MODELS


def test_list_names_every_model_with_its_rule_and_needs(call):
    ran = call("device", "list")
    assert (ran.status, ran.err) == (0, "")
    header, *rows = ran.out.splitlines()
    assert header.split() == ["name", "rule", "needs"]
    assert [row.split()[0] for row in rows if row[0] != " "] == [*EXECUTION_MODELS]
    at = header.index("needs")
    needs = " ".join(row[at:].strip() for row in rows).split()
    assert needs == " ".join(model.needs for model in EXECUTION_MODELS.values()).split()
    assert max(map(len, rows)) <= 120


def test_list_says_what_a_profile_supports(call):
    ran = call("device", "list", "--profile", "rtx3080-disb")
    assert (ran.status, ran.err) == (0, "")
    cells = {row.split()[0]: row for row in ran.out.splitlines()[1:]}
    assert cells["streams"].endswith("  yes")
    assert "  no: profile 'rtx3080-disb' lacks" in cells["igniter"]
    assert " truth.igniter\n" in ran.out


def test_list_refuses_a_profile_that_is_not_there(refused):
    assert refused("device", "list", "--profile", "rtx3080").startswith("rtx3080: neither a file nor a bundled profile")


@pytest.mark.parametrize("name", EXECUTION_MODELS)
def test_show_prints_docstring_needs_and_source(call, name):
    ran = call("device", "show", name)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{name}: ")
    assert "Source:" in ran.out
    assert f"\nA profile must have\n{EXECUTION_MODELS[name].needs}\n" in ran.out


def test_show_prints_options_where_there_are_any(call):
    assert "\nOptions\nname     default\ncombine  'product'" in call("device", "show", "pairwise").out
    assert "Options" not in call("device", "show", "streams").out


def test_show_refuses_what_is_not_there(refused):
    assert refused("device", "show", "roofine") == "unknown device model 'roofine'; did you mean 'roofline'?"


@pytest.mark.slow
def test_replay_takes_a_model_with_an_option(call):
    ran = call("replay", "--device-model", "block-priority(priorities=false)", "--policy", "fifo", "--limit", "200")
    assert ran.status == 0
    assert "fifo" in ran.out


def test_replay_says_what_the_profile_lacks(refused):
    message = refused("replay", "--device-model", "igniter")
    assert "lacks truth.igniter, which device model 'igniter' needs; it supports streams, " in message
