"""Execution models by name: what there is, what each needs of a profile, what is said where that is missing."""

from dataclasses import replace

import pytest

from stratsim.device import EXECUTION_MODELS, execution_model, find_model
from stratsim.device.execution import describe_model, supported
from stratsim.errors import ProfileError, SpecError
from stratsim.model.codec import load_profile
from stratsim.testing import make_profile

PROFILE = make_profile({"wide": {1: 0.01, 4: 0.03}, "narrow": 0.002})
HARDWARE = PROFILE.for_hardware()


def test_the_models_by_name():
    assert {"streams", "processor-sharing", "exclusive", "roofline"} <= EXECUTION_MODELS.keys()
    assert {"pairwise", "gpulet", "igniter", "block-priority"} <= EXECUTION_MODELS.keys()
    assert all(model.name == name for name, model in EXECUTION_MODELS.items())


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(SpecError, match=r"^unknown device model 'stream'; did you mean 'streams'\?$"):
        execution_model("stream", HARDWARE)
    with pytest.raises(SpecError, match="unknown device model 'pair'; did you mean 'pairwise'"):
        find_model("pair(combine=max)")


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(SpecError, match="'pairwise' has no parameter 'combin'; did you mean 'combine'"):
        execution_model("pairwise(combin=max)", HARDWARE)
    with pytest.raises(SpecError, match="'streams' has no parameter 'slots'; known: none"):
        execution_model("streams(slots=2)", HARDWARE)
    with pytest.raises(SpecError, match="cannot read device model"):
        execution_model("pairwise(max)", HARDWARE)
    with pytest.raises(SpecError, match="expected one device model, got 2"):
        execution_model("streams,roofline", HARDWARE)


def test_a_profile_that_lacks_parameters_says_what_and_what_it_supports():
    supports = "it supports streams, processor-sharing, exclusive$"
    with pytest.raises(
        ProfileError, match=f"'synthetic' lacks truth.igniter, which device model 'igniter' needs; {supports}"
    ):
        execution_model("igniter", HARDWARE)
    with pytest.raises(
        ProfileError, match=f"lacks truth.roofline.wide and observable.models.wide.features, .*; {supports}"
    ):
        execution_model("roofline", HARDWARE)
    with pytest.raises(ProfileError, match=f"lacks pairs, which device model 'pairwise' needs; {supports}"):
        execution_model("pairwise", HARDWARE)
    with pytest.raises(ProfileError, match=f"lacks truth.blocks.slots and device.sms, .*; {supports}"):
        execution_model("block-priority", HARDWARE)
    with pytest.raises(ProfileError, match=f"lacks observable.models.wide.features with l2, .*; {supports}"):
        execution_model("gpulet", HARDWARE)


def test_only_the_models_that_run_are_asked_for():
    """A profile may know a model from elsewhere, without the parameters that this run needs."""
    full = load_profile("rtx3080-disb")
    bare = replace(full.observable.models["vgg19"], features={}, aliases=())
    profile = replace(full, observable=replace(full.observable, models={**full.observable.models, "bare": bare}))
    with pytest.raises(ProfileError, match=r"truth\.roofline\.bare"):
        execution_model("roofline", profile.for_hardware())
    execution_model("roofline", profile.for_hardware(["vgg19", "resnet152"]))


@pytest.mark.parametrize("name", ["rtx3080-disb", "a100-80gb-parvagpu"])
def test_what_the_shipped_profiles_support(name):
    found = supported(load_profile(name).for_hardware())
    assert [key for key in ("streams", "roofline", "block-priority") if found[key] is not None] == []
    assert "lacks truth.igniter" in found["igniter"]
    assert "lacks pairs" in found["pairwise"]


@pytest.mark.parametrize("name", EXECUTION_MODELS)
def test_every_model_says_what_it_does_and_needs(name):
    about = describe_model(name)
    assert about.summary.endswith(".")
    assert about.source
    assert about.needs
    assert all(default for _, default in about.parameters)


def test_what_is_given_by_the_program_is_no_option():
    assert describe_model("pairwise").parameters == (("combine", "'product'"),)
    assert describe_model("streams").parameters == ()


OWN = '''
from stratsim.device import FluidModel, Phase


class Half(FluidModel):
    """Everybody in company is twice as slow."""

    name = "half"
    needs = "nothing"

    def __init__(self, hardware, slots=1, *, factor=2.0):
        super().__init__(hardware, slots)
        self.factor = factor

    def _phases(self, model, batch):
        return (Phase(1.0, model),)

    def rates(self, active):
        return [1.0 if len(active) == 1 else 1 / self.factor] * len(active)
'''


@pytest.mark.usefixtures("_all_was_typed")
def test_a_model_from_a_users_file(tmp_path):
    path = tmp_path / "own_model.py"
    path.write_text(OWN)
    model = execution_model(f"{path}:Half(factor=4.0)", HARDWARE)
    assert model.rates(["a", "b"]) == [0.25, 0.25]
    with pytest.raises(SpecError, match="has no class 'Hal'; did you mean 'Half'"):
        find_model(f"{path}:Hal")


@pytest.mark.usefixtures("_all_was_typed")
def test_a_file_without_a_model_is_refused(tmp_path):
    path = tmp_path / "no_model.py"
    path.write_text("class Nothing:\n    name = 'x'\n")
    with pytest.raises(SpecError, match="is not a device model: it lacks needs, max_concurrency"):
        find_model(f"{path}:Nothing")
