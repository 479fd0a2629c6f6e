"""`stratsim capacity` as it is called."""

import json

import pytest

from stratsim.model.codec import dump_profile
from stratsim.model.parts import Link
from stratsim.testing import make_profile

LINK = Link(alpha_s=0.0, bytes_per_s=1e12)


@pytest.fixture
def server(write):
    """Arguments of a GPU that takes 10 ms for each request, one at a time; 40 ms to the deadline."""
    write("ten-ms.json", dump_profile(make_profile({"a": 0.010}, h2d=LINK, d2h=LINK)))
    write("rule.toml", "[slo]\nhigh_ms = 40\nlow_ms = 40\n")
    alone = ("--device-model", "exclusive", "--max-concurrency", 1, "--max-batch", 1, "--no-transfers")
    return ("--profile", "ten-ms.json", "--workload", "rule.toml", *alone, "--drop", "never")


SMALL = ("--arrivals", "poisson", "--requests", 800, "--seeds", 3, "--precision", "5%")


def test_table_json_and_file_agree_for_any_number_of_processes(call, server, here):
    common = (*server, *SMALL, "--target", "high=10%,low=12%", "--policy", "fifo,priority-fifo")
    ran = call("capacity", *common, "--out", "c.json")
    assert ran.status == 0
    document = json.loads((here / "c.json").read_text())
    again = call("capacity", *common, "--jobs", 2, "--json", "--quiet")
    assert again.document == document
    assert again.err == ""
    assert document["rate_at_load_1"] == pytest.approx(100)
    for each, line in zip(document["capacities"], ran.out.splitlines()[1:], strict=False):
        assert each["rate_per_s"] < each["above_per_s"]
        assert line.split()[:2] == [each["policy"], f"{each['rate_per_s']:.4g}"]
        (at,) = [probe for probe in each["probes"] if probe["rate_per_s"] == each["rate_per_s"]]
        assert at["meets"]
        assert at["goals"]["high"]["missed"]["high"] <= 0.10
        assert at["goals"]["low"]["missed"]["high"] <= 0.12
        assert not [p for p in each["probes"] if p["meets"] and p["rate_per_s"] > each["above_per_s"]]
    assert "met: the upper 95 % confidence limit of the share that misses, mean over 3 seeds, allows it" in ran.out
    assert "fifo at 50 requests/s: high " in ran.err
    assert "rate (load" not in ran.err


def test_a_trace_has_the_same_arrivals_at_every_seed(call, server, write):
    write("t.csv", "arrival_s\n" + "".join(f"{number * 0.5}\n" for number in range(300)))
    common = (*server, "--seeds", 2, "--target", "all=10%", "--policy", "fifo")
    ran = call("capacity", "t.csv", *common, "--precision", "0.1%")
    # D/D/1: the n-th request waits n (10 ms - gap); 10 % of 300 wait over 30 ms where the 270th waits just that
    assert float(ran.out.splitlines()[1].split()[1]) == pytest.approx(1 / (0.01 - 0.03 / 270), rel=0.003)
    assert "all seeds give the same figures" in ran.err


def test_targets_out_of_reach_are_said(call, server):
    never = call("capacity", *server, *SMALL, "--policy", "fifo", "--drop", "infeasible", "--set", "max_batch=1",
                 "--target", "all=0%", "--warmup", 0.1, "--quiet")  # fmt: skip
    assert never.status == 0
    few = call("capacity", *server, *SMALL, "--policy", "fifo", "--target", "high=0.1%")
    assert "are few for this share" in few.err


def test_mistakes_are_one_line(refused, server, here, write):
    write("mine.json", "{}")
    target = ("--target", "high=1%")
    assert "Missing option '--target'" in refused("capacity")
    assert refused("capacity", "--target", "high").startswith("a target is FIGURE=LIMIT")
    assert refused("capacity", *target, "--seeds", 1).startswith("--seeds must be at least 2, as one sample")
    assert refused("capacity", *target, "--requests", 5).startswith("--requests and --cv belong to --arrivals")
    assert refused("capacity", *target, "--arrivals", "gamma").startswith("--arrivals gamma and --cv go together")
    assert refused("capacity", "default", *target, "--arrivals", "poisson").startswith("requests come from a trace or")
    assert refused("capacity", *target, "--precision", "0").startswith("--precision must be at least 1e-06")
    assert "is not a share" in refused("capacity", *target, "--precision", "much")
    assert "'mine.json' is not a folder" in refused("capacity", *target, "--out", "mine.json/c.json")
    assert "is not the result of `stratsim capacity`" in refused("capacity", *target, "--out", "mine.json")
    assert refused("capacity", *target, "--policy", "edff").startswith("unknown policy 'edff'")


def test_clients_that_wait_have_no_rate(refused, closed_loop, write):
    write("disb.json", closed_loop())
    message = refused("capacity", "disb.json", "--profile", "rtx3080-disb", "--target", "high=1%", "--quiet")
    assert message.startswith("a capacity needs requests that come at a rate")


def test_classes_without_deadlines_have_no_target(refused, server, write):
    write("free.toml", "[slo]\nnone = true\n")
    argv = [arg if arg != "rule.toml" else "free.toml" for arg in server]
    message = refused("capacity", *argv, *SMALL, "--policy", "fifo", "--quiet", "--target", "low=1%")
    assert message == "target: class 'low' has no requests with a deadline at some seed"


@pytest.mark.slow
def test_a_dask_cluster_finds_the_same(call):
    pytest.importorskip("distributed", reason="needs Dask: pip install 'stratsim[dask]'")
    common = ("--policy", "edf", "--arrivals", "poisson", "--requests", 60, "--seeds", 2, "--precision", "50%")
    common += ("--target", "all=20%", "--json", "--quiet")
    here, there = call("capacity", *common), call("capacity", *common, "--dask", "local", "--jobs", 2)
    assert here.document == there.document
