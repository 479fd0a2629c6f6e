"""Stand-ins for live runs: replays written as result folders, some of a device that differs in a known way."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from stratsim.errors import ServerError
from stratsim.model.codec import load_profile
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.truth import Host
from stratsim.model.write import write_profile
from stratsim.policy.registry import parse_policies
from stratsim.results import summarize, write_results
from stratsim.run.inputs import Inputs, prepare
from stratsim.run.manifest import make_manifest
from stratsim.run.replay import run_policy
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile
from stratsim.trace import read_trace
from stratsim.trace.rule import complete

DEVICE = make_profile(
    {"small": {1: 0.004, 8: 0.012}, "large": {1: 0.010, 8: 0.040}},
    sharing={"small": Sharing(0.7, 1.0), "large": Sharing(0.9, 2.0)},
    h2d=Link(1e-5, 10e9),
    d2h=Link(1e-5, 10e9),
    bytes_in=1_000_000,
    bytes_out=100_000,
)


class StandIn:
    """Makes result folders as a live executor would, from what another device did."""

    device = DEVICE

    @staticmethod
    def slower(factor):
        """The same device, whose executions take `factor` times as long."""
        models = {
            name: replace(entry, latency_s={size: factor * time_s for size, time_s in entry.latency_s.items()})
            for name, entry in DEVICE.observable.models.items()
        }
        return replace(DEVICE, observable=replace(DEVICE.observable, models=models))

    @staticmethod
    def with_truth(**truth):
        """The same device with other parameters of the simulated hardware."""
        return replace(DEVICE, truth=replace(DEVICE.truth, **truth))

    def __init__(self, folder):
        self.folder = folder
        self.profile = folder / "device.json"
        write_profile(DEVICE, self.profile)

    def trace(self, rate, requests=600, seed=0, name="trace.csv"):
        """Poisson arrivals, both models alike, all fields given; returns the file."""
        rng = np.random.default_rng(seed)
        path = self.folder / name
        lines = ["arrival_s,model,priority,slo_s"]
        for at_s in np.cumsum(rng.exponential(1 / rate, requests)):
            model = "small" if rng.random() < 0.5 else "large"
            high = rng.random() < 0.3
            lines.append(
                f"{at_s!r},{model},{'high' if high else 'low'},{0.04 if high else 0.08}".replace(
                    "np.float64(", ""
                ).replace(")", "")
            )
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def run(self, trace, device=DEVICE, *, policy="fifo", name="live", seed=0, edit=None, **settings):
        """Serve a trace with `device` and say that it was done with the profile that lies here."""
        spec = make_spec(
            {"trace": str(trace), "profile": str(self.profile), "policy": policy, "seed": seed, **settings}
        )
        known = load_profile(self.profile)
        spec = replace(spec, gpus=1, device_model=spec.device_model or "streams")
        read = read_trace(spec.trace, seed=seed)
        workload = complete(read, known.for_scheduler(), None, resolve=known.resolve, gpus=1, seed=seed)
        (call,) = parse_policies(policy)
        result = run_policy(Inputs(spec, spec.cluster(), device, read, workload, (call,), ()), call)
        manifest = make_manifest(spec, known, read, workload, [])
        if edit is not None:
            result, manifest = edit(result, manifest)
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_results([result], target, manifest=manifest, summaries=[summarize(result)])
        return target

    def executor(self, noise_cv=0.01, **host):
        """What makes the live runs of a grid: this device with overheads, and a little noise."""
        return Device(self, noise_cv, **host)


class Device:
    """An executor whose device is simulated: with overheads, and a little noise that differs from run to run."""

    def __init__(self, standin, noise_cv=0.01, **host):
        self.device = standin.with_truth(host=Host(**host), noise_cv=noise_cv)
        self.orders = []
        self.fails = ()

    def __call__(self, order):
        self.orders.append(order)
        if order.out.parent.name + "/" + order.out.name in self.fails:
            raise ServerError("the device is gone")
        inputs = prepare(make_spec({**order.settings, "policy": ", ".join(order.policies)}))
        manifest = make_manifest(inputs.spec, inputs.profile, inputs.trace, inputs.workload, [])
        # Another seed for every run: live runs are never the same.
        served = replace(inputs, profile=self.device, spec=replace(inputs.spec, seed=1000 + len(self.orders)))
        results = [run_policy(served, call) for call in inputs.policies]
        write_results(
            results, order.out, manifest=manifest, summaries=[summarize(result) for result in results], timeline=False
        )


@pytest.fixture
def standin(tmp_path):
    return StandIn(tmp_path)


# Logs as servers write them: all that is in them is known -----------------------------------------------------------

EPOCH_NS = 1_725_000_000_000_000_000
"""Beyond 2^53: a float of it has steps of 256."""


def ns(time_s):
    return EPOCH_NS + round(float(time_s) * 1e9)


def stamps(result, collect_s=0.0):
    """Yield of each executed request its model and stamps by Triton's names; the reply leaves `collect_s` later."""
    requests, batches = result.requests, result.batches
    for row in np.flatnonzero(requests.batch >= 0):
        at = requests.batch[row]
        done_s = batches.execution_end_s[at] + batches.copy_out_end_s[at] - batches.copy_out_start_s[at]
        yield (
            result.models[requests.model[row]],
            {
                "REQUEST_START": requests.arrival_s[row],
                "QUEUE_START": requests.arrival_s[row] + 0.25 * collect_s,
                "COMPUTE_START": batches.copy_in_start_s[at] + 0.25 * collect_s,
                "COMPUTE_INPUT_END": batches.execution_start_s[at] + 0.25 * collect_s,
                "COMPUTE_OUTPUT_START": batches.execution_end_s[at] + 0.25 * collect_s,
                "COMPUTE_END": done_s + 0.25 * collect_s,
                "REQUEST_END": done_s + collect_s,
            },
        )


def triton_trace(path, result, *, split=False, collect_s=0.0):
    """Write Triton's trace of a run: a record per request, or, `split`, one for the name and one for every stamp."""
    records = []
    for number, (model, times) in enumerate(stamps(result, collect_s), start=1):
        named = {"id": number, "model_name": model, "model_version": 1}
        marks = [{"name": name, "ns": ns(time_s)} for name, time_s in times.items()]
        if split:
            records += [named, *({"id": number, "timestamps": [mark]} for mark in marks)]
        else:
            records.append(named | {"timestamps": marks})
    path.write_text(json.dumps(records))
    return path


def aiperf_export(path, result, *, warmup=0):
    """Write aiperf's profile_export.jsonl of a run; the first `warmup` requests belong to that phase."""
    requests = result.requests
    lines = []
    for row in range(len(requests)):
        metadata = {
            "session_num": row,
            "request_start_ns": ns(requests.arrival_s[row]),
            "request_end_ns": ns(requests.finish_s[row]),
            "benchmark_phase": "warmup" if row < warmup else "profiling",
            "was_cancelled": False,
        }
        lines.append(json.dumps({"metadata": metadata, "metrics": {}, "error": None}))
    path.write_text("\n".join(lines) + "\n")
    return path


def plain_table(path, result):
    """Write a table of a run's requests."""
    requests = result.requests
    rows = [
        f"{1.7e9 + arrival!r},{result.models[model]},{finish - arrival!r}"
        for arrival, model, finish in zip(
            requests.arrival_s.tolist(), requests.model.tolist(), requests.finish_s.tolist(), strict=True
        )
    ]
    path.write_text("\n".join(["arrival_s,model,latency_s", *rows]) + "\n")
    return path


@pytest.fixture
def logs():
    """Writers of logs, from what a simulated device did."""
    return SimpleNamespace(triton_trace=triton_trace, aiperf_export=aiperf_export, plain_table=plain_table)


@pytest.fixture
def data(standin):
    return {
        "title": "stand-in",
        "profile": str(standin.profile),
        "device": "cpu",
        "policies": ["fifo", "priority-edf"],
        "loads": [0.5, 0.8],
        "repeats": 3,
        "seconds": 4.0,
        "warmup_s": 0.2,
        "saturation_s": 3.0,
        "workload": {"slo": {"high_ms": 60, "low_ms": 120}},
    }
