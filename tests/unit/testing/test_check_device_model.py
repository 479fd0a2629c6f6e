"""Every shipped device model passes the suite; broken ones are found, and a run with one names it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stratsim import simulate
from stratsim.device import EXECUTION_MODELS, FluidModel, Phase
from stratsim.device.execution.gpulet import PUBLISHED
from stratsim.device.execution.registry import supported
from stratsim.engine import layout
from stratsim.errors import SimulationError, SpecError
from stratsim.model.codec import load_profile
from stratsim.model.contention import Igniter, TimeSlices
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.model.parts import Features
from stratsim.model.profile import Pair
from stratsim.model.request import Priority
from stratsim.model.truth import Truth
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy.queueing import Fifo
from stratsim.testing import DEVICE_MODEL_CHECKS, check_device_model, make_profile, make_workload

BUNDLED = ("asymmetric-six", "rtx3080-disb", "a100-80gb-parvagpu")
PROFILE = make_profile({"a": 1.0, "b": 2.0}, kernels=10)


def with_parameters():
    """The parameters that no bundled profile has: of the models that stand for partitions and measured pairs.

    Coefficients: gpulet's published fit (glet, resource/2080ti), iGniter's V100 with vgg19 (i-Gniter, README).
    """
    profile = make_profile({"vgg19": {1: 0.005, 16: 0.05}, "bert": {1: 0.004, 16: 0.02}})
    features = {size: Features(0.5, 0.5, 0.25) for size in (1, 16)}
    observable = profile.observable
    models = {name: replace(model, features=features) for name, model in observable.models.items()}
    vgg19 = IgniterModel(
        (-4.83465e-3, 158.193, 44.4521, 0.188407, 0.926192),
        29, 0.0392494, 2.018e-3, 0.04521753, 2.722817, 0.536729, 2.081852,
    )  # fmt: skip
    gpu = IgniterGpu(1530.0, 300.0, 53.5, -1.02541, 0.00475065, -0.00902243)
    slices = TimeSlices({"vgg19": {1: 1.0}, "bert": {1: 0.4}}, {"vgg19": {1: 8.0}, "bert": {1: 0.2}})
    truth = Truth(
        gpulet=PUBLISHED["rtx2080ti"], igniter=Igniter(gpu, {"vgg19": vgg19, "bert": vgg19}), time_slicing=slices
    )
    pairs = tuple(Pair(own, 1, other, 1, 1.5) for own in models for other in models)
    return replace(profile, observable=replace(observable, models=models), truth=truth, pairs=pairs)


def profile_for(name):
    """A profile that the model's parameters can be taken from, a bundled one if there is one."""
    profiles = [*(load_profile(bundled) for bundled in BUNDLED), with_parameters()]
    return next(profile for profile in profiles if supported(profile.for_hardware())[name] is None)


@pytest.mark.parametrize("check", DEVICE_MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", list(EXECUTION_MODELS))
def test_shipped_models_pass(name, check):
    check(EXECUTION_MODELS[name], profile_for(name).for_hardware())


class Model(FluidModel):
    """Batches side by side run at half speed; subclasses break it."""

    name = "mine"
    needs = "nothing"

    def _phases(self, model, batch):
        return (Phase(1.0, model),)

    def rates(self, active):
        return [1.0 if len(active) == 1 else self.beside()] * len(active)

    def beside(self):
        return 0.5


def broken(rate):
    """Return a model whose batches run at that rate when they are side by side."""
    return type("Broken", (Model,), {"beside": lambda _self: rate})


class Raising(Model):
    def beside(self):
        raise KeyError("no such pair")


class Halved(Model):
    def _phases(self, model, batch):
        return (Phase(0.5, model),)


class Unit:
    """A unit of its own: one batch after another; `end` makes its end of the right one."""

    def __init__(self, end=lambda at_s: at_s, forget=False):
        self.end, self.forget = end, forget
        self.queue = []
        self.next_s = math.inf

    def __len__(self):
        return len(self.queue)

    @property
    def running(self):
        return tuple(self.queue)

    def add(self, now_s, key, solo_s, work, level=0):
        self.queue.append(type("Job", (), {"key": key, "solo_s": solo_s})())
        if len(self.queue) == 1:
            self.next_s = self.end(now_s + solo_s)

    def complete(self, now_s):
        ended = [] if self.forget else [self.queue.pop(0)]
        if not self.forget:
            self.next_s = self.end(now_s + self.queue[0].solo_s) if self.queue else math.inf
        return ended

    def copying(self, now_s, bytes_per_s):
        pass


def with_unit(**options):
    """Return a model, not a fluid one, with such units."""

    class Own:
        name = "mine"
        needs = "nothing"
        max_concurrency = None
        heeds_copies = False

        def __init__(self, hardware, slots=1):
            self.made = {}

        def work(self, model, batch):
            return self.made.setdefault((model, batch), object())

        def unit(self):
            return Unit(**options)

    return Own


def test_sound_models_pass():
    check_device_model(Model)
    check_device_model(with_unit())


RATES = [math.nan, math.inf, 0.0, -0.5, 2.0]
OWN = {
    "nan": {"end": lambda _: math.nan},
    "never": {"end": lambda _: math.inf},
    "past": {"end": lambda at_s: at_s - 100},
    "stuck": {"forget": True},
}


@pytest.mark.parametrize("model", [*map(broken, RATES), Halved, *(with_unit(**options) for options in OWN.values())])
def test_broken_models_are_found(model):
    with pytest.raises(AssertionError):
        check_device_model(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        *((broken(rate), r"rates \[.*within \(0, 1\]") for rate in RATES),
        (Raising, "KeyError: 'no such pair'"),
        (Halved, "sum to 1"),
        (with_unit(**OWN["nan"]), "next end is at nan"),
        (with_unit(**OWN["never"]), "1 executing batches never end"),
        (with_unit(**OWN["past"]), "must not lie in the past"),
        (with_unit(**OWN["stuck"]), "time does not advance"),
    ],
)
def test_a_run_names_the_model(monkeypatch, model, message):
    """Not the policy, in whose decision the batch starts, and nothing is lost."""
    monkeypatch.setattr(layout, "execution_model", lambda _text, hardware, slots: model(hardware, slots))
    workload = make_workload([(0.0, "a"), (0.25, "b"), (0.5, "a")], profile=PROFILE)
    with pytest.raises(SimulationError, match=f"device model 'mine'.*{message}"):
        simulate(workload, PROFILE, Fifo(drop="never"))


@pytest.mark.parametrize("most", [0, -1, 1.5])
def test_a_largest_number_of_batches_that_cannot_be(monkeypatch, most):
    made = type("Most", (Model,), {"max_concurrency": most})
    monkeypatch.setattr(layout, "execution_model", lambda _text, hardware, slots: made(hardware, slots))
    with pytest.raises(SpecError, match="device model 'mine': max_concurrency"):
        simulate(make_workload([(0.0, "a")], profile=PROFILE), PROFILE, Fifo())


class Noisy:
    """Every factor is this."""

    def __init__(self, factor):
        self.factor = factor

    def factors(self, rng, count):
        return np.full(count, self.factor)


class Short:
    def factors(self, rng, count):
        return np.ones(count + 1)


@pytest.mark.parametrize("clients", [(), (ClosedLoopClient("c", "a", Priority.LOW, 0, 0, limit=2),)])
class TestNoise:
    def run(self, clients, noise):
        rows = [] if clients else [(0.0, "a"), (0.0, "a")]
        return simulate(make_workload(rows, profile=PROFILE, closed_loop=clients), PROFILE, Fifo(), noise=noise)

    @pytest.mark.parametrize("factor", [math.nan, math.inf, 0.0, -1.0])
    def test_factors_that_cannot_be_name_the_noise(self, clients, factor):
        with pytest.raises(SpecError, match=f"noise Noisy, model 'a': factors must be > 0 and finite, got {factor}"):
            self.run(clients, Noisy(factor))

    def test_a_wrong_number_of_them(self, clients):
        with pytest.raises(SpecError, match="noise Short, model 'a'"):
            self.run(clients, Short())

    def test_an_exception(self, clients):
        with pytest.raises(SpecError, match="noise object, model 'a': AttributeError"):
            self.run(clients, object())


def test_given_factors_are_checked_too():
    workload = make_workload([(0.0, "a"), (0.0, "a")], profile=PROFILE)
    with pytest.raises(SpecError, match="factors must be > 0 and finite, got nan as number 1"):
        simulate(workload, PROFILE, Fifo(), factors=np.array([1.0, math.nan]))
