"""A CUDA server on a simulated CUDA. torch is imported by the tests that need it, which skip without."""

import pytest


@pytest.fixture
def sim(monkeypatch):
    """A simulated GPU and its clocks."""
    from tests.profiler.cuda_server.simulated import install

    return install(monkeypatch)


@pytest.fixture
def make(sim):
    """Return a function that makes a loaded server whose clock runs."""
    from stratsim_profiler.serve.cuda import CudaServer
    from tests.profiler.cuda_server.serving import ROOM, SIZES
    from tests.profiler.cuda_server.simulated import RUN_S

    made = []

    def server(slots=2, places=None, **options):
        room = {"max_bytes_in": ROOM, "max_bytes_out": ROOM}
        made.append(CudaServer(None, slots=slots, places=places or slots + 2, dtype="fp32", **{**room, **options}))
        made[-1].load(dict.fromkeys(RUN_S, SIZES))
        made[-1].start()
        sim.operations.clear()
        sim.records.clear()
        return made[-1]

    yield server
    for one in made:
        one.close()
