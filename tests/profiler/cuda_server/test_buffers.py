"""The memory of a CUDA server: every batch has its own outputs, and nothing is overwritten while it is used."""

import itertools

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.model.server import Stage  # noqa: E402
from stratsim_profiler.device import works  # noqa: E402
from stratsim_profiler.serve import cuda_models  # noqa: E402
from tests.profiler.cuda_server.serving import BYTES_OUT, ROOM, busy, checked, feed, serve, work  # noqa: E402


@pytest.mark.parametrize("mode", ["graph", "eager"])
def test_every_batch_gets_its_own_outputs_and_nothing_is_overwritten_in_use(make, sim, mode):
    seen, wrong = checked(make(mode=mode), busy(1))
    assert wrong == []
    assert sim.conflicts() == []
    stages = {}
    for one in seen:
        stages.setdefault(one.batch, []).append(one)
    for found in stages.values():
        assert [one.stage for one in found] == list(Stage)
        assert all(a.time_s <= b.time_s for a, b in itertools.pairwise(found))


def same_place(server):
    server._places = [server._places[0]] * len(server._places)


def same_output(server):
    server._outputs = [server._outputs[0]] * len(server._outputs)


@pytest.mark.parametrize("damage", [same_place, same_output])
def test_shared_buffers_would_be_found(make, sim, damage):
    server = make()
    damage(server)
    _, wrong = checked(server, busy(1))
    assert wrong or sim.conflicts()


def test_outputs_are_not_safe_where_the_graph_leaves_them(make, monkeypatch):
    """The reason for moving them aside, and that the simulation would tell."""
    server = make(slots=1)
    expected = feed(server, "short", 1, 7)
    server.submit(0, work())
    server.submit(1, work("long"))
    while server._flying:
        server.poll()
    left = torch.cat([cuda_models.as_bytes(part) for part in server._slots[0].engines["short", 1].keep[-1]])
    assert not torch.equal(left, expected)


def test_outputs_that_pile_up_get_buffers_of_their_own(make):
    server = make(slots=1, places=1)
    spare = len(server._outputs)
    taken, server._outputs = server._outputs, []
    serve(server, [(0.0, work())], places=1)
    assert server.grown == 1
    assert (len(server._outputs), len(taken)) == (1, spare)


def test_copies_are_cut_to_what_both_sides_have(make):
    """Fewer bytes than the inputs leave the rest of them as it was; fewer than the outputs leave the rest behind."""
    server = make()
    got = []
    server.on_output = lambda number, found: got.append(found.clone())
    expected = feed(server, "short", 1, 5)
    serve(
        server,
        [(0.0, work()), (0.1, work()._replace(bytes_in=0, bytes_out=10)), (0.2, work()._replace(bytes_out=ROOM))],
    )
    assert torch.equal(got[0], expected)
    assert got[1].numel() == 10
    assert torch.equal(got[2][:BYTES_OUT], expected)
    assert got[2].numel() == ROOM


def test_weights_are_the_slots_and_memory_is_its_graphs(make, sim, monkeypatch):
    built = []
    ready = works.ready
    monkeypatch.setattr(works, "ready", lambda *wanted: built.append(wanted) or ready(*wanted))
    make()
    assert sorted(model for model, *_ in built) == ["long", "long", "short", "short"]
    assert sorted(len(graphs) for graphs in sim.pools.values()) == [6, 6]


def test_served_inferences_show_their_outputs():
    """On the real thing: inputs can be replaced in place, outputs are contiguous and the module's."""
    module, example = works.ready("bert-small", "fp32", "cpu")
    made = works.served(module, example, 3, "fp32")
    made.inputs[0].copy_(torch.randint(0, 1000, made.inputs[0].shape))
    (found,) = made.run()
    with torch.inference_mode():
        assert torch.equal(found, module(made.inputs[0]))
    assert found.is_contiguous()


def test_outputs_that_are_views_become_contiguous():
    class Tail(torch.nn.Module):
        def forward(self, x):
            return {"a": [x[:, 0], x]}

    made = works.served(Tail(), (torch.randn(1, 3, 4),), 2, "fp32")
    first, whole = made.run()
    assert first.is_contiguous()
    assert torch.equal(first, made.inputs[0][:, 0])
    assert torch.equal(whole, made.inputs[0])
