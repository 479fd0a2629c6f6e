"""Batches, and how they are served as an executor does."""

import itertools
import random

import torch

from stratsim.model.server import Stage, Work
from stratsim_profiler.serve import cuda_models
from tests.profiler.cuda_server.simulated import answer

SIZES = (1, 2, 4)
BYTES_IN, BYTES_OUT = 32 + 16, 32 + 16  # of a request of a toy: 8 floats and 2 integers, in and out
ROOM = 4 * BYTES_IN


def work(model="short", size=1):
    return Work(model, size, size * BYTES_IN, size * BYTES_OUT)


def serve(server, jobs, places=4):
    """Serve batches as an executor does; return what was seen, in order."""
    waiting, seen, ended = list(enumerate(jobs)), [], 0
    while ended < len(jobs):
        held = len(jobs) - len(waiting) - sum(one.stage is Stage.EXECUTION_END for one in seen)
        if waiting and waiting[0][1][0] <= server.now_s() and held < places:
            number, (_, what) = waiting.pop(0)
            server.submit(number, what)
            continue
        found = server.poll()
        seen += found
        ended += sum(one.stage is Stage.COPY_OUT_END for one in found)
        server.wait(waiting[0][1][0] if waiting and held < places else server.now_s() + 1e-3)
    return seen


def table(seen):
    """Return the times of each batch's stages."""
    found = {}
    for one in seen:
        found.setdefault(one.batch, {})[one.stage] = one.time_s
    return found


def feed(server, model, size, seed):
    """Give the next batch inputs of its own; return the bytes of the outputs that it must have."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 8, generator=generator)
    ids = torch.randint(0, 1000, (size, 2), generator=generator)
    source = torch.zeros(ROOM, dtype=torch.uint8)
    raw = torch.cat([cuda_models.as_bytes(x), cuda_models.as_bytes(ids)])
    source[: raw.numel()] = raw
    server.sources[model, size] = source
    return torch.cat([cuda_models.as_bytes(part) for part in answer(x, ids)])


def busy(seed, count=150):
    """Batches of all kinds, about as many as two slots can do."""
    draw = random.Random(seed)
    arrivals = itertools.accumulate(draw.expovariate(1 / 1e-3) for _ in range(count))
    return [(at, work("long" if draw.random() < 0.1 else "short", draw.choice(SIZES))) for at in arrivals]


def checked(server, jobs):
    """Serve batches with inputs of their own; return what was seen, and which batches got wrong outputs or none."""
    expected, wrong = {}, []
    submit = server.submit

    def fed(number, what):
        expected[number] = feed(server, what.model, what.size, number)
        submit(number, what)

    def check(number, got):
        if not torch.equal(got, expected.pop(number)):
            wrong.append(number)

    server.submit, server.on_output = fed, check
    return serve(server, jobs), [*wrong, *expected]
