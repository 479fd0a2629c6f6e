"""A load is a share of a named saturation: worked out by hand in both units, for every command that takes one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from stratsim.capacity import CapacitySpec, find_capacities
from stratsim.capacity.target import parse_target
from stratsim.model.parts import Link
from stratsim.model.write import write_profile
from stratsim.run.arrivals import Arrivals
from stratsim.run.inputs import prepare
from stratsim.run.load import offered
from stratsim.run.saturation import SaturationPoint
from stratsim.run.spec import make_spec
from stratsim.sweep import make_sweep, run_sweep
from stratsim.testing import make_profile
from stratsim.trace import Trace
from stratsim.trace.write import write_trace

# Alone 10 ms at batch 1, so 100 requests/s in the unit batch-1. A batch of 8 takes 20 ms: 400 requests/s at best.
LINK = Link(0.0, 1e12)
PROFILE = make_profile({"a": {1: 0.010, 8: 0.020}}, h2d=LINK, d2h=LINK)
POINT = SaturationPoint(400.0, 399.0, 401.0, 1, 8, 4.0)


@pytest.fixture
def profile(tmp_path):
    write_profile(PROFILE, tmp_path / "one.json")
    return str(tmp_path / "one.json")


@pytest.mark.parametrize(("unit", "rate_per_s", "solo_load"), [("batch-1", 50.0, 0.5), ("saturation", 200.0, 2.0)])
def test_half_of_each_unit(unit, rate_per_s, solo_load):
    spec = make_spec({"load": 0.5, "load_unit": unit})
    assert offered(spec, PROFILE, 1, None, POINT) == pytest.approx((rate_per_s, solo_load))


def test_two_gpus_have_twice_the_batch_1_saturation():
    assert offered(make_spec({"load": 0.5}), PROFILE, 2, None, None) == pytest.approx((100.0, 0.5))


@pytest.mark.slow_cases("saturation-200.0")
@pytest.mark.parametrize(("unit", "rate_per_s"), [("batch-1", 50.0), ("saturation", 200.0)])
def test_a_replayed_trace_is_brought_to_the_load_in_its_unit(profile, tmp_path, unit, rate_per_s):
    write_trace(Trace(arrival_s=np.arange(1001.0), normalised=True), tmp_path / "t.csv")
    settings = {"profile": profile, "trace": str(tmp_path / "t.csv"), "load": 0.5, "load_unit": unit}
    inputs = prepare(make_spec({**settings, "max_concurrency": 1}))
    arrival_s = inputs.workload.arrival_s
    assert 1000 / (arrival_s[-1] - arrival_s[0]) == pytest.approx(rate_per_s, rel=1e-6)


@pytest.mark.slow
def test_a_sweep_offers_what_its_rows_say(profile, tmp_path):
    data = {
        "title": "t",
        "sweep": {"seeds": [1]},
        "base": {"profile": profile, "policy": "fifo", "load": 0.5},
        "arrivals": {"process": "periodic", "requests": 50},
        "axes": {"load_unit": ["batch-1", "saturation"]},
    }
    rows = list(run_sweep(make_sweep(data), data, tmp_path / "out").rows.values())
    assert [row["load_unit"] for row in rows] == ["batch-1", "saturation"]
    assert [float(row["rate_per_s"]) for row in rows] == pytest.approx([50, 200], rel=1e-6)
    assert [float(row["solo_load"]) for row in rows] == pytest.approx([0.5, 2], rel=1e-6)
    (point,) = json.loads((tmp_path / "out" / "saturation.json").read_text()).values()
    assert (point["rate_per_s"], point["max_batch"]) == (pytest.approx(400, rel=1e-6), 8)


def test_a_capacity_is_a_load_in_the_unit_that_it_names(profile):
    run = make_spec({"profile": profile, "policy": "edf", "max_concurrency": 1})
    asked = CapacitySpec(run, parse_target("all=5%"), Arrivals("periodic", 100), seeds=2, precision=0.5)
    ours = find_capacities(asked)
    other = find_capacities(replace(asked, run=replace(run, load_unit="saturation"), start=0.125))
    assert (ours["load_unit"], ours["rate_at_load_1"]) == ("batch-1", pytest.approx(100))
    assert (other["load_unit"], other["rate_at_load_1"]) == ("saturation", pytest.approx(400))
    (mine,), (theirs,) = ours["capacities"], other["capacities"]
    assert mine["rate_per_s"] == pytest.approx(theirs["rate_per_s"])
    assert mine["load"] == pytest.approx(4 * theirs["load"])
