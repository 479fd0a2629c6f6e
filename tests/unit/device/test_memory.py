"""Who has room on a GPU, and who goes when others need it."""

import dataclasses

import pytest

from stratsim.device import DeviceMemory, device_memory
from stratsim.errors import ProfileError, SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Device
from stratsim.testing import make_profile

SIZES = {"a": 4, "b": 3, "c": 3, "d": 9, "nothing": 0}


def memory(*models, capacity=10):
    """A memory in which some models have room, in the order of their use."""
    made = DeviceMemory(capacity, SIZES)
    for model in models:
        assert made.reserve(model) is not None
    return made


def test_what_fits_takes_room_and_sends_nobody_away():
    made = memory()
    assert [made.reserve(model) for model in "abc"] == [(), (), ()]
    assert made.used_bytes == 10
    assert made.models == ("a", "b", "c")
    assert "a" in made
    assert "d" not in made


def test_the_least_recently_used_goes_first():
    made = memory("a", "b", "c")
    made.use("a")
    made.release("a")
    assert made.models == ("b", "c", "a")
    assert memory("a", "b", "c").reserve("d") == ("a", "b", "c")
    made = memory("a", "b", capacity=7)
    assert made.reserve("c") == ("a",)
    assert made.models == ("b", "c")
    assert made.used_bytes == 6


def test_use_counts_until_its_end():
    """b was taken up before a, but a was left first."""
    made = memory("a", "b", capacity=7)
    made.use("b")
    made.use("a")
    made.release("a")
    made.release("b")
    assert made.models == ("a", "b")


def test_no_more_goes_than_must():
    made = memory("b", "a", "c")
    assert made.reserve("nothing") == ()
    made = DeviceMemory(10, {**SIZES, "e": 2})
    for model in ("b", "a", "c"):
        made.reserve(model)
    assert made.reserve("e") == ("b",)


def test_what_is_in_use_stays_and_is_passed_over():
    made = memory("a", "b", capacity=7)
    made.use("a")
    assert made.reserve("c") == ("b",)
    assert made.models == ("a", "c")


def test_without_room_nothing_changes():
    made = memory("a", "b", "c")
    made.use("a")
    assert made.reserve("d") is None
    assert made.models == ("a", "b", "c")
    assert made.used_bytes == 10


def test_a_model_is_in_use_until_all_have_left():
    made = memory("a", "b", "c")
    made.use("a")
    made.use("a")
    made.release("a")
    assert made.reserve("d") is None
    made.release("a")
    assert made.reserve("d") == ("b", "c", "a")


class TestSize:
    def profile(self, memory_bytes=None, **weights):
        profile = make_profile(dict.fromkeys(weights, 0.01))
        models = {
            name: dataclasses.replace(profile.observable.models[name], weights_bytes=size)
            for name, size in weights.items()
        }
        return dataclasses.replace(
            profile,
            observable=dataclasses.replace(profile.observable, models=models),
            device=Device("GPU", memory_bytes=memory_bytes),
        ).for_hardware()

    def test_weights_that_are_always_there_need_no_memory(self):
        assert device_memory(Cluster(), self.profile(a=None), ["a"]) is None

    def test_bytes_or_the_devices_own(self):
        hardware = self.profile(memory_bytes=100, a=5)
        assert device_memory(Cluster(memory=50), hardware, ["a"]).capacity_bytes == 50
        made = device_memory(Cluster(memory="device"), hardware, ["a"])
        assert made.capacity_bytes == 100
        assert made.weights_bytes("a") == 5

    def test_a_model_that_alone_does_not_fit(self):
        with pytest.raises(SpecError, match=r"^model 'b' has 51 bytes of weights, more than the memory, 50 bytes$"):
            device_memory(Cluster(memory=50), self.profile(a=5, b=51), ["a", "b"])

    def test_a_model_that_nobody_asks_for_may_be_too_large(self):
        assert device_memory(Cluster(memory=50), self.profile(a=5, b=51), ["a"]) is not None

    def test_weights_of_unknown_size(self):
        with pytest.raises(ProfileError, match=r"^memory needs every .*_bytes; profile 'synthetic' lacks 'b'$"):
            device_memory(Cluster(memory=50), self.profile(a=5, b=None), ["a", "b"])

    def test_a_device_of_unknown_size(self):
        with pytest.raises(SpecError, match=r"'synthetic' lacks device.memory_bytes: give a number of bytes$"):
            device_memory(Cluster(memory="device"), self.profile(a=5), ["a"])
