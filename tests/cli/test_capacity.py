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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_trace_has_the_same_arrivals_at_every_seed(call, server, write):
    write("t.csv", "arrival_s\n" + "".join(f"{number * 0.5}\n" for number in range(300)))
    common = (*server, "--seeds", 2, "--target", "all=10%", "--policy", "fifo")
    ran = call("capacity", "t.csv", *common, "--precision", "0.1%")
    # D/D/1: the n-th request waits n (10 ms - gap); 10 % of 300 wait over 30 ms where the 270th waits just that
    assert float(ran.out.splitlines()[1].split()[1]) == pytest.approx(1 / (0.01 - 0.03 / 270), rel=0.003)
    assert "all seeds give the same figures" in ran.err


@pytest.mark.slow
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


class TestFewestGpus:
    ARGS = ("--arrivals", "poisson", "--requests", 800, "--seeds", 3, "--policy", "fifo", "--rate", 230)

    @pytest.mark.slow
    def test_a_sentence_says_what_meets_the_target_and_what_does_not(self, call, server, here):
        common = (*server, *self.ARGS, "--gpus", "1..3", "--target", "p95=60ms,all=10%", "--price", 2)
        ran = call("capacity", *common, "--out", "c.json")
        assert ran.status == 0, ran.err
        document = json.loads((here / "c.json").read_text())
        assert call("capacity", *common, "--jobs", 2, "--json", "--quiet").document == document
        (fleet,) = document["fleets"]
        assert (fleet["gpus"], fleet["misses"], fleet["cost_per_hour"]) == (3, [1, 2], 6)
        assert "fifo: 3 GPUs meet it; 2 do not (p95: " in ran.out
        assert " % waiting for dispatch" in ran.out
        assert "fifo, 1 GPU, 230 requests/s: p95: " in ran.err
        assert ran.err.count("misses the target") == 2

    def test_none_that_was_tried_may_be_enough(self, call, server):
        ran = call("capacity", *server, *self.ARGS, "--gpus", 1, "--target", "p95=60ms", "--quiet")
        assert "fifo: 1 GPU, the most that were tried, does not meet it (p95: " in ran.out
        ran = call("capacity", *server, *self.ARGS, "--gpus", "3,5", "--target", "p95=60ms", "--quiet")
        assert "fifo: 3 GPUs, the fewest that were tried, meet it" in ran.out

    def test_mistakes_are_one_line(self, refused, server):
        target = (*server, "--target", "p99=50ms")
        assert "--price belongs to --rate" in refused("capacity", *target, "--price", 1)
        assert "add --rate, or name one number" in refused("capacity", *target, "--gpus", "1..4")
        assert "--precision belongs to the search" in refused("capacity", *target, "--rate", 9, "--precision", "1%")
        assert refused("capacity", *target, "--rate", "x").startswith("--rate must be requests per second, 'trace'")
        assert refused("capacity", *target, "--rate", 9, "--gpus", "x").startswith("--gpus must be numbers such as 4")
        assert refused("capacity", *target, "--rate", 9, "--gpus", "0").startswith("--gpus must be different numbers")
        assert refused("capacity", "--rate", 9, "--target", "bert9:p99=1ms").startswith("target: ")


class TestExport:
    COMMON = ("--arrivals", "poisson", "--requests", 400, "--seeds", 2, "--rate", 150, "--gpus", "2,3")

    def test_the_winners_configurations_give_its_run(self, call, server, here):
        target = ("--policy", "triton(max_queue_delay_s=0.001,priority_levels=2),fifo", "--target", "p90=60ms")
        ran = call("capacity", *server, *self.COMMON, *target, "--export", "triton", "models", "--quiet")
        assert ran.status == 0, ran.err
        assert "1 configurations written to models; read back, they give the same run" in ran.out
        lines = (here / "models" / "a" / "config.pbtxt").read_text().splitlines()
        assert lines[0].endswith("2 GPUs, 150 requests/s.")
        assert "  max_queue_delay_microseconds: 1000" in lines
        again = call("capacity", *server, *self.COMMON, "--policy", "triton(repository=models)", "--target", "p90=60ms",
                     "--json", "--quiet")  # fmt: skip
        first = call("capacity", *server, *self.COMMON, *target, "--json", "--quiet")
        assert again.document["fleets"][0]["points"] == first.document["fleets"][0]["points"]

    def test_the_highest_rate_is_exported_too(self, call, server, here):
        few = ("--arrivals", "poisson", "--requests", 300, "--seeds", 2, "--precision", "50%", "--target", "p90=60ms")
        ran = call("capacity", *server, *few, "--policy", "triton", "--export", "triton", "models", "--quiet")
        assert ran.status == 0, ran.err
        assert (here / "models" / "a" / "config.pbtxt").is_file()

    def test_another_winner_is_refused_with_the_reason(self, call, refused, server, here):
        (here / "full").mkdir()
        (here / "full" / "x").write_text("")
        target = ("--target", "p90=60ms", "--quiet", "--export", "triton")
        message = refused("capacity", *server, *self.COMMON, *target, "models", "--policy", "edf")
        assert message.startswith(
            "--export triton: no policy of 'edf' is triton: only Triton's settings are those of a"
        )
        strict = "triton(timeout_s=0.001),fifo"
        ran = call("capacity", *server, *self.COMMON, *target, "models", "--policy", strict)
        assert "fifo: 2 GPUs" in ran.out  # the answer is not lost
        assert ran.status == 2
        assert "--export triton: the winner is fifo, with 2 GPUs: only Triton's settings" in ran.err
        message = refused("capacity", *server, *self.COMMON, *target, "full", "--policy", "triton")
        assert message == "full: exists and is not an empty folder; choose another name for the repository"
        assert not (here / "models").exists()


def test_settings_are_chosen_on_other_seeds(call, refused, server, here):
    common = (*server, *TestExport.COMMON, "--target", "p90=60ms", "--quiet")
    ran = call("capacity", *common, "--policy", "triton(max_queue_delay_s={delay})", "--choose", "delay=0,0.001",
               "--choose", "max_concurrency=1..2", "--pilots", 2, "--export", "triton", "models")  # fmt: skip
    assert ran.status == 0, ran.err
    assert ", the best of 4 on 2 other seeds at 2 GPUs: 2 GPUs, the fewest that were tried, meet it" in ran.out
    assert (here / "models" / "a" / "config.pbtxt").is_file()
    assert "--choose belongs to --rate" in refused("capacity", "--target", "p99=1s", "--choose", "max_batch=1,2")
    assert refused("capacity", *common, "--choose", "max_batch").startswith("choose takes NAME=VALUES")
