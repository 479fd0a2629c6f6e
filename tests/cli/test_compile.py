"""`stratsim compile`."""

import os
import subprocess
import sys

import pytest

from stratsim.fast.coverage import ORDERS, kernel_of
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.run.kernels import KERNELS


def test_each_kernel_is_named_by_the_policies_that_need_it():
    for kernel, policies in KERNELS.items():
        assert {kernel_of(make_policy(call)) for call in parse_policies(",".join(policies))} == {kernel}


def test_every_policy_that_is_covered_by_its_class_is_named():
    named = {type(make_policy(call)) for policies in KERNELS.values() for call in parse_policies(",".join(policies))}
    assert ORDERS.keys() <= named


@pytest.mark.slow
def test_every_kernel_makes_a_run_and_the_list_makes_none(call):
    listed = call("compile", "--list").out.splitlines()
    assert [line.partition(":")[0] for line in listed] == [", ".join(policies) for policies in KERNELS.values()]
    command = [sys.executable, "-m", "stratsim", "compile"]
    made = subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.splitlines()) == len(KERNELS)
    assert all(" in " in line and line.endswith(" s") for line in made.stdout.splitlines())


def test_without_numba_the_error_says_what_to_install(call, monkeypatch):
    monkeypatch.setattr("stratsim.run.kernels.find_spec", lambda _: None)
    failed = call("compile")
    assert failed.status == 2
    assert "pip install 'stratsim[fast]'" in failed.err
