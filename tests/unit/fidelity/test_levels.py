"""All levels against runs whose difference from the simulator is known."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.fidelity import assess, read_cells
from stratsim.fidelity.levels.service import elasticity
from stratsim.fidelity.report import replay_cells
from stratsim.model.request import Status
from stratsim.model.truth import Host
from stratsim.model.write import write_profile


def report(folder, profile=None):
    cells, notes = read_cells(folder)
    return assess(replay_cells(cells, profile), notes)


@pytest.mark.slow_cases("strait")
@pytest.mark.parametrize("policy", ["fifo", "priority-edf", "strait", "edf(max_batch=4)"])
def test_a_replay_of_the_same_has_no_error(standin, policy):
    (cell,) = report(standin.run(standin.trace(150), policy=policy))["cells"]
    assert cell["p50_err"] == cell["p95_err"] == cell["p99_err"] == cell["mean_err"] == 0
    assert cell["violation_diff_pp"] == cell["request_err_p90"] == cell["one_sided"] == 0
    for stage in cell["stages"].values():
        assert stage["error_p90"] == pytest.approx(0, abs=1e-9), stage
    assert cell["service"]["bias"] == pytest.approx(0, abs=1e-9)
    assert cell["verdict"] == "pass"
    assert cell["live"] == cell["simulated"]
    assert all(row["error"] == pytest.approx(0, abs=0.2) for row in cell["slowdowns"])


def test_drops_are_imposed_too(standin):
    folder = standin.run(standin.trace(400), policy="priority-edf(drop=infeasible)")
    (replayed,) = replay_cells(read_cells(folder)[0])
    live, forced = replayed.cell.runs[0].result.requests, replayed.forced[0].requests
    assert (~np.isnan(live.dropped_s)).sum() > 20
    assert np.array_equal(live.dropped_s, forced.dropped_s, equal_nan=True)
    assert np.array_equal(live.batch, forced.batch)


def test_a_slower_device_shows_as_bias_in_execution_alone(standin):
    """10 % slower: the simulator is short by 1 - 1 / 1.1 of it, and copies are as they were."""
    live = standin.run(standin.trace(60), standin.slower(1.1), max_concurrency=1)
    (cell,) = report(live)["cells"]
    assert cell["service"]["bias"] == pytest.approx(0.10)
    assert cell["stages"]["execution"]["error"] == pytest.approx(1 - 1 / 1.1)
    assert cell["stages"]["execution"]["median"] == pytest.approx(1 / 1.1 - 1)
    assert cell["stages"]["execution"]["bias"] == pytest.approx(1 / 1.1 - 1)
    assert cell["stages"]["copy_in"]["error_p90"] == pytest.approx(0, abs=1e-9)
    assert cell["verdicts"]["stages"]["execution"] == "pass"


@pytest.mark.slow
def test_a_device_slower_by_a_third_fails(standin):
    live = standin.run(standin.trace(60), standin.slower(4 / 3), max_concurrency=1)
    (cell,) = report(live)["cells"]
    assert cell["stages"]["execution"]["error"] == pytest.approx(0.25)
    assert cell["verdicts"]["stages"]["execution"] == "fail"
    assert cell["verdicts"]["end_to_end"]["all"]["p50"] == "fail"
    assert cell["verdict"] == "fail"


@pytest.mark.slow
def test_queueing_amplifies_the_bias(standin):
    """One slot, one by one, nobody dropped: 7 ms on average, so 121 requests/s are a load of 0.85 and few are not."""
    figures = {}
    for load in (0.3, 0.85):
        trace = standin.trace(load / 0.007, requests=6000, name=f"{load}.csv")
        live = standin.run(
            trace, standin.slower(1.01), name=f"live-{load}", policy="fifo(max_batch=1,drop=never)", max_concurrency=1
        )
        (figures[load],) = report(live)["cells"]
    assert figures[0.85]["service"]["bias"] == pytest.approx(0.01)
    assert 1 < figures[0.3]["service"]["amplification"] < 2
    assert 4 < figures[0.85]["service"]["amplification"] < 10
    assert figures[0.85]["mean_err"] > 3 * figures[0.3]["mean_err"]


def test_elasticity_of_the_closed_form():
    def mean_latency_s(service_s, rate):
        load = service_s * rate
        return service_s + load * service_s / (2 * (1 - load))

    for load in (0.0, 0.5, 0.7, 0.85):
        growth = mean_latency_s(1 + 1e-6, load) / mean_latency_s(1, load) - 1
        assert elasticity(load) == pytest.approx(growth / 1e-6, rel=1e-4)
    assert round(elasticity(0.85)) == 6


@pytest.mark.slow
def test_overheads_of_the_host_are_an_error_until_the_profile_has_them(standin):
    overheads = {"dispatch_s": 0.0004, "launch_s": 0.002, "notice_s": 0.001, "collect_s": 0.0003}
    live = standin.run(standin.trace(100), standin.with_truth(host=Host(**overheads)))
    (cell,) = report(live)["cells"]
    assert cell["stages"]["execution"]["error"] == pytest.approx(0, abs=0.02)
    assert cell["stages"]["wait"]["error"] > 0.1
    whole = standin.folder / "whole.json"
    write_profile(standin.with_truth(host=Host(**overheads)), whole)
    found = report(live, whole)
    (cell,) = found["cells"]
    assert cell["p99_err"] == pytest.approx(0, abs=1e-9)
    assert cell["stages"]["wait"]["error_p90"] == pytest.approx(0, abs=1e-6)
    assert found["notes"] == ["one run has no noise floor: at least 5 are needed"]  # and the profile is the run's own


@pytest.mark.slow
def test_another_profile_is_noted(standin):
    live = standin.run(standin.trace(100))
    other = standin.folder / "other.json"
    write_profile(standin.slower(1.5), other)
    assert "is not the file" in report(live, other)["notes"][0]


@pytest.mark.slow
def test_noise_is_no_bias(standin):
    live = standin.run(standin.trace(60, requests=3000), standin.with_truth(noise_cv=0.05), max_concurrency=1)
    (cell,) = report(live)["cells"]
    assert cell["service"]["bias"] == pytest.approx(0, abs=0.005)
    assert cell["stages"]["execution"]["error"] == pytest.approx(0.05 * 0.6745, rel=0.1)  # median of |normal|


@pytest.mark.slow
def test_an_interrupted_run_counts_up_to_the_first_request_without_a_fate(standin):
    def cut(result, manifest):
        requests, batches = result.requests, result.batches
        last = len(batches) - 40
        gone = requests.batch >= last
        end_s = np.where(np.arange(len(batches)) >= last, np.nan, batches.copy_out_end_s)
        requests = replace(
            requests,
            finish_s=np.where(gone, np.nan, requests.finish_s),
            status=np.where(gone, Status.UNFINISHED, requests.status),
        )
        batches = replace(batches, copy_out_end_s=end_s)
        return replace(result, requests=requests, batches=batches), manifest | {"live": {"status": "interrupted"}}

    standin.run(standin.trace(150), edit=cut, name="live.partial")
    found = report(standin.folder / "live")  # what there is of it
    (cell,) = found["cells"]
    assert cell["p99_err"] == cell["violation_diff_pp"] == 0
    assert "interrupted" in found["notes"][0]


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(SpecError, match="result folder"):
        read_cells(tmp_path)
