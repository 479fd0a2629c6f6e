"""iGniter's analytic model against figures computed by its published code for a V100; ms, with transfers at 10 GB/s."""

from math import ceil

import pytest

from stratsim.errors import ProfileError
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.solve import execution_ms, resident
from stratsim.validate.known.igniter import ANSWERS, BYTES, BYTES_PER_MS, MODELS, V100


def latency_ms(*placed):
    """Copies in and out, and the execution, of each (model, batch, percent)."""
    executions = execution_ms(V100, [resident(MODELS[name], batch, percent) for name, batch, percent in placed])
    return [
        ms + batch * sum(BYTES[name]) / BYTES_PER_MS for ms, (name, batch, _) in zip(executions, placed, strict=True)
    ]


@pytest.mark.parametrize("answer", ANSWERS)
def test_known_answers(answer):
    assert latency_ms(*answer.placed) == pytest.approx(list(answer.latency_ms), abs=1e-3)


SLOS_MS = {"alexnet": (15, 500), "resnet50": (40, 400), "vgg19": (60, 200)}
STEP = 2.5


def lower_bound(name):
    """The published rule: the batch that arrives within half the objective, and the least share it can do with."""
    slo, rate = SLOS_MS[name][0] / 2, SLOS_MS[name][1] / 1000
    bytes_in, bytes_out = BYTES[name]
    batch = ceil(slo * rate * BYTES_PER_MS / (BYTES_PER_MS + bytes_in * rate))
    k1, k2, k3, k4, k5 = MODELS[name].active
    time_left = slo - MODELS[name].delay_ms - batch * (bytes_in + bytes_out) / BYTES_PER_MS - k5
    return batch, ceil(((k1 * batch**2 + k2 * batch + k3) / time_left - k4) / STEP) * STEP


def test_the_published_plan_for_three_models_on_one_gpu():
    """Whoever misses half his objective gets 2.5 % more, until nobody does: batches 4, 8, 6 at 10, 30 and 37.5 %."""
    plan = {name: lower_bound(name) for name in SLOS_MS}

    def latencies():
        return dict(zip(plan, latency_ms(*[(name, *entry) for name, entry in plan.items()]), strict=True))

    while late := [name for name, ms in latencies().items() if ms > SLOS_MS[name][0] / 2]:
        for name in late:
            plan[name] = (plan[name][0], plan[name][1] + STEP)
    assert plan == {"alexnet": (4, 10.0), "resnet50": (8, 30.0), "vgg19": (6, 37.5)}
    assert list(latencies().values()) == pytest.approx([6.918, 18.909, 28.730], abs=1e-3)


def test_below_the_power_limit_the_clock_stays():
    batch = resident(MODELS["alexnet"], 1, 100)
    assert V100.idle_power_w + batch.power_w < V100.power_limit_w
    assert execution_ms(V100, [batch]) == [pytest.approx(batch.delay_ms + batch.active_ms)]


def test_beyond_the_power_limit_everybody_slows_by_the_same_factor():
    """100 W beyond take 102.541 MHz off 1530."""
    one = resident(MODELS["alexnet"], 1, 100)
    other = one._replace(power_w=V100.power_limit_w + 100 - V100.idle_power_w - one.power_w)
    cool = execution_ms(V100, [one, one._replace(power_w=0.0)])
    hot = execution_ms(V100, [one, other])
    assert hot == pytest.approx([ms * 1530 / (1530 - 102.541) for ms in cool])


def test_no_crowd_stops_the_clock():
    one = resident(MODELS["vgg19"], 1, 100)._replace(sensitivity=0.0, kernels=0)
    assert execution_ms(V100, [one] * 500) == pytest.approx([10 * (one.delay_ms + one.active_ms)] * 500)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: IgniterGpu(1530, 300, 53.5, 1.0, 0, 0), "clock_per_w must be <= 0, got 1.0"),
        (lambda: IgniterGpu(0, 300, 53.5, -1.0, 0, 0), "clock_mhz must be > 0"),
        (lambda: IgniterModel((1, 2, 3), 1, 0, 0, 0, 0, 0, 0), "active must have 5 figures, k1 to k5, has 3"),
        (lambda: IgniterModel((1, 2, 3, 4, 5), 1, 0, -1, 0, 0, 0, 0), "sensitivity must be >= 0"),
    ],
)
def test_parameters_out_of_range(change, message):
    with pytest.raises(ProfileError, match=message):
        change()
