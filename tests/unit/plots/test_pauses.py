"""The timeline of a run that preempts."""

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.policy.preempt import PreemptIdeal
from stratsim.results import read_results, summarize, write_results
from stratsim.testing import make_profile, make_workload
from stratsim_plots import timeline
from stratsim_plots.series import Options


def test_a_batch_that_was_stopped_has_a_box_for_each_stretch(tmp_path):
    """Low from 0 to 3.5 ms, high until 5.5, low until 12: one slot suffices."""
    profile = make_profile({"h": 0.002, "l": 0.010})
    workload = make_workload([(0.0, "l", "low", 1.0), (0.0035, "h", "high", 1.0)], profile=profile)
    cluster = Cluster(device_model="exclusive", max_concurrency=1, prefetch=0, transfers=False)
    result = simulate(workload, profile, PreemptIdeal(), cluster=cluster)
    write_results([result], tmp_path / "out", manifest={}, summaries=[summarize(result)])
    frame = timeline.data([read_results(tmp_path / "out")], Options(from_s=0.0, to_s=0.05))
    boxes = frame[frame["row"] == "slot 0"].sort_values("start_s")
    assert boxes["batch_id"].tolist() == [0, 1, 0]
    assert (boxes["start_s"] * 1e3).tolist() == pytest.approx([0, 3.5, 5.5])
    assert (boxes["end_s"] * 1e3).tolist() == pytest.approx([3.5, 5.5, 12])
    assert set(frame["row"]) == {"slot 0"}
