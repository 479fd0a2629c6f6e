"""Calibration from a log: of a device whose factors and overheads are known, they are found again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from stratsim.engine import simulate
from stratsim.errors import SpecError
from stratsim.fidelity.calibrate.factors import learn_factors
from stratsim.fidelity.held_out import calibrate_run, judge_run
from stratsim.fidelity.logs import Naming, read_log, recorded
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.truth import Host
from stratsim.model.workload import Workload
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile

PROFILE = make_profile(
    {"small": {1: 0.004, 8: 0.012}, "large": {1: 0.010, 8: 0.040}},
    h2d=Link(1e-5, 10e9),
    d2h=Link(1e-5, 10e9),
    bytes_in=1_000_000,
    bytes_out=100_000,
)
TRUE = {"small": 1.3, "large": 0.8}


LINK = PROFILE.observable.pcie.h2d


def device(host=None, noise_cv=0.02, h2d=LINK):
    """The device of the profile, with solo times, host and link of its own."""
    models = {
        name: replace(entry, latency_s={size: TRUE[name] * time_s for size, time_s in entry.latency_s.items()})
        for name, entry in PROFILE.observable.models.items()
    }
    observable = replace(PROFILE.observable, models=models, pcie=replace(PROFILE.observable.pcie, h2d=h2d))
    return replace(PROFILE, observable=observable, truth=replace(PROFILE.truth, host=host, noise_cv=noise_cv))


def arrivals(rate, requests=3000, seed=0):
    rng = np.random.default_rng(seed)
    return Workload(
        models=("small", "large"),
        arrival_s=np.cumsum(rng.exponential(1 / rate, requests)),
        model=(rng.random(requests) < 0.4).astype(np.int32),
        priority=np.zeros(requests, np.int8),
        deadline_s=np.full(requests, np.inf),
        bytes_in=np.full(requests, 1_000_000),
        bytes_out=np.full(requests, 100_000),
        client=np.full(requests, -1, np.int32),
    )


def served(true, policy, rate=100, requests=3000, max_batch=8, workload=None, **machine):
    (call,) = parse_policies(policy)
    requests = arrivals(rate, requests) if workload is None else workload
    return simulate(requests, true, make_policy(call), cluster=Cluster(**machine), max_batch=max_batch)


def calibrated(log, policy, share=0.5, profile=PROFILE, **settings):
    run = recorded(log, make_spec({"policy": policy, **settings}), profile)
    return calibrate_run(run, profile, share, log)


FIFO = {"max_concurrency": 1, "prefetch": 0}


@pytest.mark.slow
def test_a_profile_that_is_right_stays_as_it_is(logs, tmp_path):
    true = replace(PROFILE, truth=replace(PROFILE.truth, noise_cv=0.02))
    log = read_log(logs.triton_trace(tmp_path / "t.json", served(true, "fifo", 150, **FIFO)), Naming())
    found = calibrated(log, "fifo", **FIFO)
    for name, entry in found.learned.profile.observable.models.items():
        for size, time_s in entry.latency_s.items():
            expected_s = PROFILE.for_scheduler().latency_s(name, size)
            assert time_s == pytest.approx(expected_s, rel=0.02), (name, size)
    assert abs(found.before["differences"]["p50"]) < 0.03
    assert abs(found.after["differences"]["p50"]) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["fifo", "triton"])
def test_factors_copies_and_the_host_are_found_again_from_stages(logs, tmp_path, policy):
    host = Host(dispatch_s=0.0002, notice_s=0.0003, collect_s=0.0)
    true = device(host, h2d=Link(5e-5, 4e9))
    result = served(true, policy, 180, **FIFO)
    log = read_log(logs.triton_trace(tmp_path / "t.json", result, split=True), Naming())
    found = calibrated(log, policy, **FIFO)
    learned = found.learned.profile
    for name, entry in learned.observable.models.items():
        for size, time_s in entry.latency_s.items():
            true_s = true.for_scheduler().latency_s(name, size)
            assert time_s == pytest.approx(true_s, rel=0.03), (name, size)
    link = learned.observable.pcie.h2d
    assert (link.alpha_s, link.bytes_per_s) == (pytest.approx(5e-5, rel=0.05), pytest.approx(4e9, rel=0.05))
    assert learned.truth.host.dispatch_s == pytest.approx(0.0002, rel=0.05)
    assert learned.truth.host.notice_s == pytest.approx(0.0003, rel=0.1)
    assert learned.truth.noise_cv == pytest.approx(0.02, rel=0.2)
    assert abs(found.before["differences"]["p50"]) > 0.05
    assert abs(found.after["differences"]["p50"]) < 0.03
    assert found.before["stages"]["execution"]["error"] > 0.15
    assert found.after["stages"]["execution"]["error"] < 0.025
    assert found.after["verdicts"]["p50"] == found.after["verdicts"]["execution"] == "pass"


@pytest.mark.slow
def test_what_passes_around_a_batch_is_a_constant_of_every_latency(logs, tmp_path):
    result = served(device(), "fifo", 100, **FIFO)
    log = read_log(logs.triton_trace(tmp_path / "t.json", result, collect_s=0.002), Naming())
    host = calibrated(log, "fifo", **FIFO).learned.profile.truth.host
    assert host.collect_s == pytest.approx(0.002, rel=0.01)
    assert host.dispatch_s < 1e-5


@pytest.mark.slow
def test_a_model_that_was_never_alone_has_the_factor_of_its_executions_beside_others(logs, tmp_path):
    slots = {"max_concurrency": 2, "prefetch": 0}
    result = served(device(), "fifo", 400, max_batch=4, **slots)
    log = read_log(logs.triton_trace(tmp_path / "t.json", result), Naming())
    found = calibrated(log, "fifo", max_batch=4, **slots)
    assert found.after["stages"]["execution"]["error"] < 0.05
    assert found.before["stages"]["execution"]["error"] > 0.1


@pytest.mark.slow  # replays the log a hundred times
def test_latencies_alone_give_a_factor_by_model_and_a_constant_where_requests_wait(logs, tmp_path):
    true = device(Host(collect_s=0.003), noise_cv=0.02)
    log = read_log(logs.plain_table(tmp_path / "t.csv", served(true, "fifo", 100, **FIFO)), Naming())
    found = calibrated(log, "fifo", **FIFO)
    trips = found.learned.trips
    assert trips.told_apart
    assert trips.factors == {name: pytest.approx(factor, rel=0.04) for name, factor in TRUE.items()}
    assert trips.constant_s == pytest.approx(0.003, rel=0.1)
    assert abs(found.before["differences"]["p50"]) > 0.1
    assert abs(found.after["differences"]["p50"]) < 0.04
    assert found.after["stages"] is None
    assert found.after["request_err_median"] < 0.1


@pytest.mark.slow
def test_where_nobody_waits_the_factors_have_the_constant_and_it_is_said(logs, tmp_path):
    true = device(Host(collect_s=0.003), noise_cv=0.02)
    apart = replace(arrivals(1, 300), arrival_s=0.1 * np.arange(300))
    result = served(true, "fifo", workload=apart, max_batch=1, **FIFO)
    log = read_log(logs.plain_table(tmp_path / "t.csv", result), Naming())
    found = calibrated(log, "fifo", max_batch=1, **FIFO)
    trips = found.learned.trips
    assert not trips.told_apart
    assert trips.constant_s == 0
    known = PROFILE.for_scheduler()
    for name, factor in TRUE.items():
        copies_s = known.end_to_end_s(name) - known.latency_s(name)
        whole = (factor * known.latency_s(name) + copies_s + 0.003 - copies_s) / known.latency_s(name)
        assert trips.factors[name] == pytest.approx(whole, rel=0.02)
    assert "could not be told" in found.learned.profile.provenance["truth.host"].note
    assert abs(found.after["differences"]["p50"]) < 0.02


@pytest.mark.slow
def test_aiperf_is_calibrated_from_like_any_latencies(logs, tmp_path):
    true = device(Host(collect_s=0.001))
    result = served(true, "fifo", 100, requests=800, **FIFO)
    small = replace(result, models=("small", "large"))
    log = read_log(logs.aiperf_export(tmp_path / "profile_export.jsonl", small, warmup=20), Naming("small"))
    found = calibrated(log, "fifo", **FIFO)
    assert found.learned.trips.factors.keys() == {"small"}
    assert abs(found.after["differences"]["mean"]) < abs(found.before["differences"]["mean"])


def test_a_profile_is_not_judged_by_the_log_that_calibrated_it(logs, tmp_path):
    log = read_log(logs.triton_trace(tmp_path / "t.json", served(device(), "fifo", 100, 400, **FIFO)), Naming())
    learned = calibrated(log, "fifo", **FIFO).learned.profile
    with pytest.raises(SpecError, match="calibrated with this very run"):
        calibrated(log, "fifo", profile=learned, **FIFO)
    with pytest.raises(SpecError, match="calibrated with this very run"):
        judge_run(recorded(log, make_spec({"policy": "fifo", **FIFO}), learned), learned)


def test_requests_of_one_time_are_all_learned_from_or_all_judged_by(logs, tmp_path):
    coarse = replace(arrivals(100, 600), arrival_s=np.repeat([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 100))
    result = served(device(), "fifo", workload=coarse, **FIFO)
    log = read_log(logs.triton_trace(tmp_path / "t.json", result), Naming())
    found = calibrated(log, "fifo", 0.59, **FIFO)
    assert (found.requests, found.before["n"]) == ((300, 300), 300)
    with pytest.raises(SpecError, match="0 requests to learn from and 600 to judge by"):
        calibrated(log, "fifo", 0.1, **FIFO)


def test_the_held_out_part_is_none_that_was_learned_from(logs, tmp_path):
    """The first half is of a device twice as slow: what is learned there is wrong for the second, and that is said."""
    result = served(device(noise_cv=0.0), "fifo", 20, 600, **FIFO)
    path = logs.triton_trace(tmp_path / "t.json", result)
    records = json.loads(path.read_text())
    for record in records[300:]:  # from here on executions take half as long
        times = {mark["name"]: mark for mark in record["timestamps"]}
        half = (times["COMPUTE_OUTPUT_START"]["ns"] - times["COMPUTE_INPUT_END"]["ns"]) // 2
        for name in ("COMPUTE_OUTPUT_START", "COMPUTE_END", "REQUEST_END"):
            times[name]["ns"] -= half
    path.write_text(json.dumps(records))
    found = calibrated(read_log(path, Naming()), "fifo", **FIFO)
    assert found.requests == (300, 300)
    assert found.after["stages"]["execution"]["median"] == pytest.approx(1.0, abs=0.05)


def test_too_little_to_learn_from_or_to_judge_by_is_refused(logs, tmp_path):
    log = read_log(logs.triton_trace(tmp_path / "t.json", served(device(), "fifo", 100, 60, **FIFO)), Naming())
    for share in (0.2, 0.8):
        with pytest.raises(SpecError, match="and 20 of either are needed"):
            calibrated(log, "fifo", share, **FIFO)


@pytest.mark.slow
def test_a_log_of_a_simulated_run_has_no_error_against_its_own_device(logs, tmp_path):
    true = device(Host(dispatch_s=0.0002, notice_s=0.0001), noise_cv=0.0)
    log = read_log(logs.triton_trace(tmp_path / "t.json", served(true, "fifo", 150, **FIFO)), Naming())
    found = judge_run(recorded(log, make_spec({"policy": "fifo", **FIFO}), true), true)
    assert abs(found["differences"]["p99"]) < 1e-5
    assert found["stages"]["execution"]["error"] < 1e-5


def rewritten(path, change):
    """Change the time of every stamp of a trace: `change(ns)`; return the path."""
    records = json.loads(path.read_text())
    for record in records:
        for mark in record["timestamps"]:
            mark["ns"] = change(mark["ns"])
    path.write_text(json.dumps(records))
    return path


def test_stamps_in_another_unit_are_noticed_by_what_the_profile_has(logs, tmp_path):
    path = logs.triton_trace(tmp_path / "t.json", served(device(), "fifo", 100, 300, **FIFO))
    log = read_log(rewritten(path, lambda ns: ns * 1000), Naming())
    with pytest.raises(SpecError, match=r"at batch size 1 take 1.*e\+03 times what the profile has: is the log in"):
        calibrated(log, "fifo", **FIFO)


def test_latencies_in_another_unit_are_noticed_too(logs, tmp_path):
    run = served(device(), "fifo", 100, 300, **FIFO).requests
    rows = zip(run.arrival_s.tolist(), (run.finish_s - run.arrival_s).tolist(), run.model.tolist(), strict=True)
    for unit in (1e3, 1e-3):
        lines = [f"{at:.9f},{unit * took:.9f},{('small', 'large')[model]}" for at, took, model in rows]
        path = tmp_path / "t.csv"
        path.write_text("\n".join(["arrival_s,latency_s,model", *lines, ""]))
        rows = zip(run.arrival_s.tolist(), (run.finish_s - run.arrival_s).tolist(), run.model.tolist(), strict=True)
        with pytest.raises(SpecError, match="times what the profile has: is the log in other units"):
            calibrated(read_log(path, Naming()), "fifo", **FIFO)


def test_nothing_is_learned_from_an_execution_in_which_the_clock_jumped(logs, tmp_path):
    path = logs.triton_trace(tmp_path / "t.json", served(device(), "fifo", 100, 600, **FIFO))
    as_it_is = calibrated(read_log(path, Naming()), "fifo", **FIFO)
    stages = read_log(path, Naming()).stages
    row = len(stages.size) // 4
    first = min(mark["ns"] for record in json.loads(path.read_text()) for mark in record["timestamps"])
    middle = first + round(5e8 * float(stages.inputs_s[row] + stages.executed_s[row]))
    jumped = read_log(rewritten(path, lambda ns: ns + (3600 * 10**9 if ns > middle else 0)), Naming())
    found = calibrated(jumped, "fifo", **FIFO)
    factors = {(each.model, each.size): each.value for each in found.learned.factors}
    for each in as_it_is.learned.factors:
        assert factors[each.model, each.size] == pytest.approx(each.value, rel=0.01)
    assert found.learned.profile.truth.noise_cv == pytest.approx(as_it_is.learned.profile.truth.noise_cv, rel=0.05)


def test_an_execution_of_which_nothing_is_learned_is_company_of_others_all_the_same(logs, tmp_path):
    slots = {"max_concurrency": 2, "prefetch": 0}
    result = served(device(), "fifo", 60, max_batch=1, **slots)
    run = recorded(
        read_log(logs.triton_trace(tmp_path / "t.json", result), Naming()),
        make_spec({"policy": "fifo", **slots}),
        PROFILE,
    )
    large = run.result.batches.model == run.result.models.index("large")
    with_large, without = (
        {(factor.model, factor.size): factor for factor in learn_factors(each, PROFILE)}
        for each in (run, replace(run, left_out=large))
    )
    assert {model for model, _ in without} == {"small"}
    small = without["small", 1]
    assert small.alone  # nor does it count what was beside a large one
    assert 0 < small.n == with_large["small", 1].n < np.count_nonzero(~large)


def test_a_part_in_which_nothing_was_answered_judges_nothing(tmp_path):
    lines = [f"{0.1 * n:.1f},{0.005 if n < 100 else ''},small" for n in range(200)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["arrival_s,latency_s,model", *lines, ""]))
    with pytest.raises(
        SpecError, match="of the first 100 requests 100 were answered, of the others 0, and 20 of either"
    ):
        calibrated(read_log(path, Naming()), "fifo", **FIFO)
