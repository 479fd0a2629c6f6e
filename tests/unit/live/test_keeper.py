"""A server that is kept from run to run."""

import pytest

from stratsim.errors import ServerError
from stratsim.live.servers import Keeper, Room, Target

CPU, ROOM = Target("cpu"), Room(1, 2, 1000, 10)


class Noted:
    """A server that notes what is done to it."""

    def __init__(self, fails=False):
        self.done = []
        self.fails = fails

    def load(self, models):
        if self.fails:
            raise ServerError("no room")
        self.done.append({model: max(sizes) for model, sizes in models.items()})

    def start(self):
        self.done.append("start")

    def close(self):
        self.done.append("close")


@pytest.fixture
def opened(monkeypatch):
    found = []

    def open_noted(*_, **__):
        found.append(Noted(fails=len(found) == 3))
        return found[-1]

    monkeypatch.setattr("stratsim.live.servers.open_server", open_noted)
    return found


def ask(keeper, room=ROOM, **largest):
    return keeper.server(CPU, room, largest or {"a": 4, "b": 2}, lambda _: None)


def test_it_is_opened_once_for_runs_that_need_no_more(opened):
    with Keeper() as keeper:
        first = ask(keeper)
        keeper.batches = 7
        assert ask(keeper) is first
        assert ask(keeper, a=3) is first
        assert keeper.batches == 7
    assert [one.done for one in opened] == [[{"a": 4, "b": 2}, "start", "close"]]


@pytest.mark.parametrize("change", [{"room": ROOM._replace(slots=2)}, {"a": 5}, {"c": 1}])
def test_another_is_opened_for_what_it_lacks_and_batches_count_anew(opened, change):
    with Keeper() as keeper:
        first = ask(keeper)
        keeper.batches = 7
        assert ask(keeper, **change) is not first
        assert keeper.batches == 0
    assert [one.done[-1] for one in opened] == ["close", "close"]


def test_one_that_cannot_load_is_closed_and_the_next_is_new(opened):
    keeper = Keeper()
    opened.extend(Noted() for _ in range(3))
    with pytest.raises(ServerError, match="no room"):
        ask(keeper)
    assert ask(keeper) is opened[4]
    keeper.close()
    assert opened[3].done == ["close"]
