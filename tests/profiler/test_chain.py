"""Plan, measure, keep, fit: on a device whose demands and weights are known, the profile holds them."""

import io
from random import Random

import pytest

from stratsim.solve import capped_weighted
from stratsim_profiler.campaign import run_plan
from stratsim_profiler.cells import all_cells
from stratsim_profiler.device.base import Copy, Span
from stratsim_profiler.fit import fit_samples
from stratsim_profiler.plan import Load, Request, within_budget
from stratsim_profiler.progress import Progress
from stratsim_profiler.samples import SAMPLES_SCHEMA, Header, Model
from stratsim_profiler.settings import Settings
from stratsim_profiler.store import SampleFile

SOLO_S = {"a": 0.004, "b": 0.002, "c": 0.006, "d": 0.003}
SHARING = {"a": (0.9, 2.0), "b": (0.6, 6.0), "c": (0.75, 1.0), "d": (0.5, 3.0)}
"""Demand and weight by model."""

HEADER = Header(SAMPLES_SCHEMA, "0", "2026-01-01T00:00:00+00:00", {"kind": "cpu", "name": "known"}, {}, {}, {})


@pytest.fixture
def device(fake_device):
    """A device that shares as the `streams` execution model says, with 1 % noise."""

    class Sharing(fake_device):
        random = Random(7)

        def backlog(self, lanes, seconds):
            known = [SHARING.get(getattr(lane.work, "model", ""), (0.3, 1.0)) for lane in lanes]
            rates = capped_weighted([s for s, _ in known], [w for _, w in known])
            if isinstance(lanes[0].work, Copy):
                rates = [1.0] * len(lanes)
            return tuple(
                tuple(self.noisy(self.seconds(lane.work) / rate, seconds))
                for lane, rate in zip(lanes, rates, strict=True)
            )

        def noisy(self, each_s, seconds):
            start = 0.0
            while start < seconds:
                end = start + each_s * self.random.gauss(1.0, 0.01)
                yield Span(start, end)
                start = end

    return Sharing(SOLO_S)


@pytest.fixture
def models_without_torch(monkeypatch):
    def model(_, cell):
        return [Model(cell.id, cell.loads[0].model, "fake", 10, 40, 600, 4, 1e9)]

    monkeypatch.setitem(run_plan.__globals__["_MEASUREMENTS"], "model", model)


def test_the_profile_holds_what_the_device_is(device, bench_on, models_without_torch, tmp_path):
    settings = Settings(transfer_sizes=(1 << 20, 1 << 24), window_s=0.3, solo_window_s=0.1)
    request = Request(tuple(SHARING), (1, 2), (1,), "fp32", "eager", Load("a", 1))
    plan = within_budget(all_cells(request, settings, device.info), None)
    with SampleFile.create(tmp_path / "s.jsonl", HEADER) as file:
        outcome = run_plan(bench_on(device, settings=settings), plan, file, Progress(1, 1, io.StringIO()))
    assert outcome.given_up == outcome.late == ()
    result = fit_samples(tmp_path / "s.jsonl", starts=2)
    scale = result.profile.truth.sharing["c"][1].weight
    for name, (demand, weight) in SHARING.items():
        found = result.profile.truth.sharing[name][1]
        assert found.demand == pytest.approx(demand, rel=0.05), name
        assert found.weight / scale == pytest.approx(weight, rel=0.1), name
        assert result.profile.observable.models[name].latency_s[2] == pytest.approx(2 * SOLO_S[name], rel=0.01)
    link = result.profile.observable.pcie.h2d
    assert link.bytes_per_s == pytest.approx(1e10, rel=0.01)
    for split in ("held-out pairs", "held-out triples"):
        assert result.summary.sharing.row(split).mean < 0.01, split
