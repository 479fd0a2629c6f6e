"""What a CUDA server says of itself, refuses, and does when its GPU fails."""

import gc

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.errors import ServerError, SpecError  # noqa: E402
from stratsim.model.server import Work  # noqa: E402
from stratsim_profiler.device import works  # noqa: E402
from stratsim_profiler.serve import cuda  # noqa: E402
from tests.profiler.cuda_server.serving import ROOM, work  # noqa: E402


def test_waiting_for_nothing_is_refused(make):
    with pytest.raises(ServerError, match="nothing is in flight"):
        make().wait(float("inf"))


def test_it_says_what_it_is(make):
    server = make(slots=3)
    assert (server.info.kind, server.info.name, server.info.slots) == ("cuda", "Fake GPU", 3)
    details = server.info.details
    assert (details["dtype"], details["mode"], details["sms"]) == ("fp32", "graph", 4)
    assert details["clock_uncertainty_s"] == server.clock_uncertainty_s > 0


def test_no_collection_pauses_a_server(make):
    assert gc.isenabled()
    server = make()
    assert not gc.isenabled()
    server.close()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (Work("other", 1, 1, 1), "batch 0: other x 1 is not loaded"),
        (Work("short", 3, 1, 1), "batch 0: short x 3 is not loaded"),
        (Work("short", 1, ROOM + 1, 1), f"batch 0: {ROOM + 1} bytes in and 1 out, the buffers have {ROOM} and {ROOM}"),
        (Work("short", 1, 1, ROOM + 1), f"batch 0: 1 bytes in and {ROOM + 1} out, the buffers have {ROOM} and {ROOM}"),
    ],
)
def test_what_cannot_be_served_is_refused(make, what, message):
    with pytest.raises(ServerError, match=message):
        make().submit(0, what)


def test_too_many_batches_are_refused(make):
    server = make(slots=1, places=2)
    server.submit(0, work())
    server.submit(1, work())
    with pytest.raises(ServerError, match="batch 2: all places are taken"):
        server.submit(2, work())


def test_an_error_of_the_gpu_is_said_in_one_line_and_closing_is_quiet(make, sim):
    server = make()
    server.submit(0, work())
    sim.broken = "CUDA error: an illegal memory access was encountered\nmore"
    for call in (server.poll, lambda: server.wait(9.0)):
        with pytest.raises(ServerError, match=r"^cpu: CUDA error: an illegal memory access was encountered$"):
            call()
    server.close()
    server.close()
    assert cuda._LOST.pop() is server


def test_a_gpu_that_is_stuck_is_told_and_left(make, sim, monkeypatch):
    server = make()
    server.submit(0, work())
    sim.hangs = True
    monkeypatch.setattr(cuda, "_STUCK_S", 0.01)
    monkeypatch.setattr(cuda, "_CLOSING_S", 0.01)
    with pytest.raises(ServerError, match=r"nothing has ended for 0.01 s, though 1 batches are there"):
        server.wait(float("inf"))
    server.close()
    assert cuda._LOST.pop() is server


def test_a_full_memory_names_model_and_size(make, monkeypatch):
    server = make()

    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr(works, "served", full)
    with pytest.raises(ServerError, match=r"^cpu: cannot run short x 4: CUDA out of memory\. Tried to allocate 2 GiB$"):
        server.load({"short": [1, 4]})


def test_a_full_memory_is_found_behind_the_capture_that_it_spoils(make, monkeypatch):
    def spoiled(*_):
        try:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("capture was invalidated")

    monkeypatch.setattr(works, "served", spoiled)
    with pytest.raises(ServerError, match="CUDA out of memory"):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype 'int8' must be one of fp32, fp16, bf16"),
        ({"mode": "fast"}, "mode 'fast' must be one of graph, eager"),
        ({"slots": 3, "places": 2}, "not 3 slots and 2 places"),
        ({"index": 1}, "device cuda:1: this machine has 1 GPUs"),
    ],
)
def test_arguments_that_make_no_sense(sim, options, message):
    with pytest.raises(SpecError, match=message):
        cuda.CudaServer(**{"index": 0, "slots": 1, "places": 1, "max_bytes_in": 1, "max_bytes_out": 1, **options})


def test_it_can_be_closed_before_it_has_served(sim):
    server = cuda.CudaServer(0, slots=1, places=1, max_bytes_in=1, max_bytes_out=1)
    server.close()
    assert gc.isenabled()
