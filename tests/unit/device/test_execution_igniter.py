"""`igniter`: the analytic model as truth; its known answers are those of `tests/unit/solve/test_igniter.py`."""

from dataclasses import replace

import pytest

from stratsim.device import execution_model
from stratsim.errors import ProfileError
from stratsim.model.contention import Igniter
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.model.truth import Truth
from stratsim.testing import make_profile

V100 = IgniterGpu(1530.0, 300.0, 53.5, -1.02541, 0.00475065, -0.00902243)
VGG19 = IgniterModel(
    (-4.83465e-3, 158.193, 44.4521, 0.188407, 0.926192),
    29, 0.0392494, 2.018e-3, 0.04521753, 2.722817, 0.536729, 2.081852,
)  # fmt: skip
SSD = IgniterModel(
    (2.51596e-2, 235.847, -16.7816, 0.264273, 3.41698),
    93, 0.1478772, 2.281e-3, 0.08863048, -0.128589, 0.644894, 2.339317,
)  # fmt: skip
# Copies in and out of a batch of 3 at 10 GB/s, which the published figures contain.
VGG19_COPIES_MS, SSD_COPIES_MS = (3 * (602112 + 4000) / 10e6, 3 * (1080000 + 2968880) / 10e6)


def igniter(slots=2, partitions=None, models=("vgg19", "ssd")):
    profile = make_profile({name: {1: 0.005, 16: 0.05} for name in ("vgg19", "ssd", "bert")})
    truth = Truth(partitions=partitions or {}, igniter=Igniter(V100, {"vgg19": VGG19, "ssd": SSD}))
    return execution_model("igniter", replace(profile, truth=truth).for_hardware(models), slots)


def rates(model, *batches):
    return model.rates([model.work(*batch)[0].load for batch in batches])


def test_the_rate_is_the_ratio_of_the_published_latencies():
    """At 50 % each, batch 9: 32.8287 and 52.3683 ms together; what each takes alone is the formula for one."""
    model = igniter()
    vgg_alone, ssd_alone = (model.work(name, 9)[0].load.alone_ms for name in ("vgg19", "ssd"))
    vgg_copies, ssd_copies = (3 * VGG19_COPIES_MS, 3 * SSD_COPIES_MS)
    expected = [vgg_alone / (32.8287 - vgg_copies), ssd_alone / (52.3683 - ssd_copies)]
    assert rates(model, ("vgg19", 9), ("ssd", 9)) == pytest.approx(expected, rel=1e-5)


def test_alone_is_the_published_solo_latency():
    model = igniter()
    assert model.work("vgg19", 3)[0].load.alone_ms + VGG19_COPIES_MS == pytest.approx(11.4881, abs=1e-3)
    assert model.work("ssd", 3)[0].load.alone_ms + SSD_COPIES_MS == pytest.approx(18.5266, abs=1e-3)
    assert rates(model, ("vgg19", 3)) == [1.0]


def test_partitions_come_from_the_profile():
    """vgg19 at 20 %, ssd at 80 %, batch 3: 28.0496 and 13.6473 ms together."""
    model = igniter(partitions={"vgg19": 0.2, "ssd": 0.8})
    together = [
        model.work(name, 3)[0].load.alone_ms / rate
        for name, rate in zip(("vgg19", "ssd"), rates(model, ("vgg19", 3), ("ssd", 3)), strict=True)
    ]
    assert together[0] + VGG19_COPIES_MS == pytest.approx(28.0496, abs=1e-3)
    assert together[1] + SSD_COPIES_MS == pytest.approx(13.6473, abs=1e-3)


def test_power_slows_everybody_in_a_crowd():
    """Each further vgg19 at full throughput draws about 100 W more; the clock falls for all alike."""
    model = igniter(slots=8)
    few, many = (rates(model, *[("vgg19", 16)] * count) for count in (2, 8))
    assert all(0 < slow < fast < 1 for slow, fast in zip(many, few, strict=False))


def test_a_model_without_parameters_is_named():
    with pytest.raises(ProfileError, match=r"lacks truth\.igniter\.models\.bert, which device model 'igniter' needs"):
        igniter(models=("vgg19", "bert"))
