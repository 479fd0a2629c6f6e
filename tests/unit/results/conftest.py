"""Runs made by hand: consistent in every column, without an engine."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from stratsim.engine.result import BatchTable, RequestTable, Result

MODELS = ("resnet50", "vgg19", "bert")
SOLO_S = np.array([0.002, 0.005, 0.009])


def random_result(seed=0, requests=200, gpus=1, concurrency=2, policy="fifo", deadlines=True):
    """Batches of one to three neighbours of one model, on the GPU slot that frees first; copies take 0.1 ms.

    Every tenth batch is dropped instead.
    """
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(0.002, requests)) + 1.0
    model = np.zeros(requests, dtype=np.int32)
    batch = np.full(requests, -1, dtype=np.int64)
    dropped = np.full(requests, np.nan)
    finish = np.full(requests, np.nan)
    slots = [(0.0, gpu) for gpu in range(gpus) for _ in range(concurrency)]
    engines = {(gpu, way): 0.0 for gpu in range(gpus) for way in ("in", "out")}
    rows, dispatched, at, group = [], 0.0, 0, 0
    while at < requests:
        size = min(int(rng.integers(1, 4)), requests - at)
        members = slice(at, at + size)
        kind = int(rng.integers(len(MODELS)))
        model[members] = kind
        ready = arrival[at + size - 1]
        if group % 10 == 9:
            dropped[members] = ready + 0.001
        else:
            slot, gpu = heapq.heappop(slots)
            dispatched = max(ready, slot, dispatched)
            copy_in = max(dispatched, engines[gpu, "in"])
            solo = SOLO_S[kind] * (1 + 0.5 * (size - 1))
            start = copy_in + 1e-4
            end = start + solo * rng.uniform(1.0, 1.5)
            copy_out = max(end, engines[gpu, "out"])
            engines[gpu, "in"], engines[gpu, "out"] = copy_in + 1e-4, copy_out + 1e-4
            heapq.heappush(slots, (end, gpu))
            finish[members], batch[members] = copy_out + 1e-4, len(rows)
            times = (dispatched, copy_in, copy_in + 1e-4, start, end, copy_out, copy_out + 1e-4)
            rows.append((gpu, kind, size, group % 3 and 1, *times, solo))
        at, group = at + size, group + 1
    priority = np.where(rng.random(requests) < 0.3, 0, 1).astype(np.int8)
    deadline = arrival + np.where(priority == 0, 0.012, 0.03) if deadlines else np.full(requests, np.inf)
    status = np.where(np.isnan(finish), 3, np.where(finish <= deadline, 1, 2)).astype(np.int8)
    table = RequestTable(
        arrival_s=arrival,
        model=model,
        priority=priority,
        deadline_s=deadline,
        bytes_in=np.full(requests, 602_112, dtype=np.int64),
        bytes_out=np.full(requests, 4_000, dtype=np.int64),
        client=rng.integers(-1, 2, requests).astype(np.int32),
        status=status,
        batch=batch,
        dropped_s=dropped,
        reason=np.where(status == 3, 0, -1).astype(np.int16),
        finish_s=finish,
    )
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    types = [np.int32, np.int32, np.int32, np.int8] + [np.float64] * 8
    batches = BatchTable(*(column.astype(kind) for column, kind in zip(columns, types, strict=True)))
    ends = np.concatenate([arrival, dropped, finish])
    return Result(
        policy=policy,
        requests=table,
        batches=batches,
        models=MODELS,
        clients=("camera", "phone"),
        reasons=("infeasible",),
        gpus=gpus,
        events=4 * requests,
        start_s=float(arrival[0]),
        end_s=float(np.nanmax(ends)),
        wall_s=0.25,
    )


@pytest.fixture
def make_result():
    """The function `random_result`."""
    return random_result
