"""The execution model `time-slicing`: where its figures come from, and what it says of lacking ones."""

from dataclasses import replace

import pytest

from stratsim.device import execution_model
from stratsim.device.execution.time_slicing import TimeSlicing
from stratsim.errors import ProfileError
from stratsim.model.codec import load_profile
from stratsim.model.contention import TimeSlices
from stratsim.model.parts import Link
from stratsim.model.truth import Truth
from stratsim.model.write import write_profile
from stratsim.testing import check_device_model, make_profile

SLICES = TimeSlices({"long": {1: 1.0}, "short": {1: 0.1, 3: 0.3}}, {"long": {1: 5.0}, "short": {1: 0.1, 3: 0.3}})


@pytest.fixture
def profile():
    link = Link(1e-5, 1e9)
    made = make_profile({"long": 0.1, "short": {1: 0.01, 4: 0.02}}, h2d=link, d2h=link)
    return replace(made, truth=Truth(time_slicing=SLICES))


def rates(profile, *batches):
    model = execution_model("time-slicing", profile.for_hardware())
    return list(model.rates([model.work(*batch)[0].load for batch in batches]))


def test_figures_are_the_profiles_linear_between_sizes(profile):
    assert rates(profile, ("short", 1), ("long", 1))[0] == pytest.approx(1 / 2)
    assert rates(profile, ("short", 2), ("long", 1))[0] == pytest.approx(1 / 2)  # 0.2 in 1, and a slice of the other
    assert rates(profile, ("long", 1), ("long", 1)) == pytest.approx([0.5, 0.5])


def test_it_is_a_device_model(profile):
    check_device_model(TimeSlicing, profile)


def test_a_profile_without():
    with pytest.raises(ProfileError, match=r"lacks truth\.time_slicing, which device model 'time-slicing' needs"):
        execution_model("time-slicing", make_profile({"a": 0.1}).for_hardware())


def test_a_model_without():
    one = TimeSlices({"long": {1: 1.0}}, {"long": {1: 5.0}})
    lacking = replace(make_profile({"long": 0.1, "other": 0.1}), truth=Truth(time_slicing=one))
    with pytest.raises(ProfileError, match=r"truth\.time_slicing\.busy\.other"):
        execution_model("time-slicing", lacking.for_hardware())


def test_a_profile_with_it_is_written_and_read(profile, tmp_path):
    write_profile(profile, tmp_path / "sliced.json")
    assert load_profile(tmp_path / "sliced.json").truth.time_slicing == SLICES


@pytest.mark.parametrize(("busy", "said"), [(0.0, "must be > 0"), (1.5, r"must be within \(0, 1\]")])
def test_no_such_share(busy, said):
    with pytest.raises(ProfileError, match=said):
        TimeSlices({"a": {1: busy}}, {"a": {1: 1.0}})
