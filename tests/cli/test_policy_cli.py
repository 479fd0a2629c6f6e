"""`stratsim policy list` and `stratsim policy show`."""

import pytest

from stratsim.policy.registry import registered


def test_list_names_every_policy(call):
    ran = call("policy", "list")
    assert (ran.status, ran.err) == (0, "")
    header, *rows = ran.out.splitlines()
    assert header.split() == ["name", "what", "it", "does", "source"]
    assert [row.split()[0] for row in rows if row[0] != " "] == list(registered())
    assert max(map(len, ran.out.splitlines())) <= 120
    assert "Args" not in ran.out


@pytest.mark.parametrize("name", registered())
def test_show_prints_docstring_parameters_and_moments(call, name):
    ran = call("policy", "show", name)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{name}: ")
    assert "Source:" in ran.out
    assert f"\nClass: {registered()[name]}\n" in ran.out
    assert "after: arrival, " in ran.out


def test_show_prints_the_family_and_its_parameters(call):
    ran = call("policy", "show", "edf")
    for part in ("QueuePolicy:", "\nParameters\n", "\nmax_batch  None\n", "after: arrival, execution-end"):
        assert part in ran.out


def test_show_takes_a_file(call, policy_file):
    ran = call("policy", "show", policy_file())
    assert ran.status == 0
    assert ran.out.startswith("mine.py:Mine: ")
    assert "Parameters" not in ran.out


def test_show_refuses_what_is_not_there(refused):
    assert refused("policy", "show", "priority-efd") == "unknown policy 'priority-efd'; did you mean 'priority-edf'?"
    assert refused("policy", "show", "gone.py:Mine") == "policy 'gone.py:Mine': there is no file 'gone.py'"
