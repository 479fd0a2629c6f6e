import math
from dataclasses import replace

import pytest

from stratsim.errors import OutsideProfileError, ProfileError
from stratsim.model.cluster import Cluster
from stratsim.model.profile import (
    MAX_BATCH,
    Device,
    Features,
    Kernels,
    Link,
    Observable,
    ObservableModel,
    Pair,
    Pcie,
    Profile,
    Provenance,
    Sharing,
    Truth,
)

H2D = Link(alpha_s=1e-5, bytes_per_s=1e9)
D2H = Link(alpha_s=2e-5, bytes_per_s=2e9)
WIDE = ObservableModel({1: 0.010, 4: 0.022}, bytes_in=1_000_000, bytes_out=4000, aliases=("wide-imagenet",))
NARROW = ObservableModel({1: 0.002}, bytes_in=1000, bytes_out=0)
OBSERVABLE = Observable(Pcie(H2D, D2H), {"wide": WIDE, "narrow": NARROW})
TRUTH = Truth({"wide": {1: Sharing(0.4, 3.0), 4: Sharing(1.0, 6.0)}}, noise_cv=0.01)
PROFILE = Profile(1, "lab", Device("GPU"), {"observable": Provenance("synthetic", "a test")}, OBSERVABLE, TRUTH)


def test_resolve_knows_names_and_aliases():
    assert PROFILE.resolve("wide") == "wide"
    assert PROFILE.resolve("wide-imagenet") == "wide"


def test_resolve_never_guesses():
    with pytest.raises(
        OutsideProfileError, match=r"profile 'lab' has no model 'wide-imagene'; did you mean 'wide-imagenet'\?"
    ):
        PROFILE.resolve("wide-imagene")


def test_the_scheduler_sees_solo_latencies_by_batch():
    scheduler = PROFILE.for_scheduler()
    assert scheduler.latency_s("wide") == 0.010
    assert scheduler.latency_s("wide", 2) == pytest.approx(0.014)
    assert scheduler.latency_s("wide", 4) == 0.022
    assert scheduler.models["wide"].max_batch == 4
    assert scheduler.models["narrow"].max_batch == 1


def test_end_to_end_is_copy_execute_copy():
    scheduler = PROFILE.for_scheduler()
    expected = (1e-5 + 2e6 / 1e9) + 0.014 + (2e-5 + 8000 / 2e9)
    assert scheduler.end_to_end_s("wide", 2) == pytest.approx(expected)


def test_copying_nothing_takes_no_time():
    assert D2H.copy_s(0) == 0.0
    assert PROFILE.for_scheduler().end_to_end_s("narrow") == pytest.approx(1e-5 + 1e-6 + 0.002)


def test_without_transfers_copies_are_free():
    scheduler = PROFILE.for_scheduler(Cluster(transfers=False).solo_links(PROFILE.observable.pcie))
    assert scheduler.end_to_end_s("wide", 4) == scheduler.latency_s("wide", 4)


@pytest.mark.parametrize("batch", [0, 5, -1])
def test_a_batch_outside_the_profile(batch):
    with pytest.raises(OutsideProfileError, match=f"covers batch sizes 1 to 4 of model 'wide', got {batch}"):
        PROFILE.for_scheduler().latency_s("wide", batch)


def test_a_model_outside_the_profile():
    with pytest.raises(OutsideProfileError, match="profile 'lab' has no model 'tall'"):
        PROFILE.for_scheduler().latency_s("tall")


def test_hardware_has_the_solo_figures_and_the_truth():
    hardware = PROFILE.for_hardware()
    assert hardware.models["wide"].latency_s == PROFILE.for_scheduler().models["wide"].latency_s
    assert hardware.truth == PROFILE.truth
    assert hardware.noise_cv == 0.01


def test_hardware_can_be_asked_for_some_models_only():
    assert list(PROFILE.for_hardware(["narrow"]).models) == ["narrow"]


def test_the_scheduler_cannot_reach_the_truth():
    scheduler = PROFILE.for_scheduler()
    names = {*dir(scheduler), *dir(scheduler.models["wide"])}
    assert not names & {"sharing", "truth", "noise_cv", "demand", "weight"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Link(-1e-6, 1e9), "alpha_s must be >= 0 and finite, got -1e-06"),
        (lambda: Link(0.0, 0.0), "bytes_per_s must be > 0, got 0.0"),
        (lambda: Link(math.nan, 1e9), "alpha_s must be >= 0"),
        (lambda: Link(0.0, math.nan), "bytes_per_s must be > 0, got nan"),
        (lambda: Features(1.5, 0.1), r"compute must be within \[0, 1\], got 1.5"),
        (lambda: Features(0.5, 0.1, l2=-0.1), r"l2 must be within \[0, 1\], got -0.1"),
        (lambda: Kernels(0, 1e-6), "count must be > 0"),
        (lambda: Kernels(1, 1e-6, max_s=0.0), "max_s must be > 0"),
        (lambda: Device("g", memory_bytes=-1), "memory_bytes must be > 0"),
        (lambda: Provenance("measured", " "), "source is empty"),
        (lambda: Sharing(1.1), r"demand must be within \(0, 1\], got 1.1"),
        (lambda: Sharing(0.0), "demand must be > 0"),
        (lambda: Sharing(0.5, 0.0), "weight must be > 0"),
        (lambda: Truth({"wide": {}}), r"sharing\['wide'\] is empty"),
        (lambda: Truth({"wide": {0: Sharing(1.0)}}), r"sharing\['wide'\]: batch sizes must be within"),
        (lambda: Truth(noise_cv=math.inf), "noise_cv must be >= 0 and finite"),
        (lambda: Pair("a", 1, "b", 0, 1.0), "other_batch: batch sizes must be within"),
        (lambda: Pair("a", 1, "b", 1, 0.0), "slowdown must be > 0"),
        (lambda: replace(WIDE, latency_s={}), "latency_s is empty"),
        (lambda: replace(WIDE, latency_s={2: 0.1}), r"latency_s needs batch size 1, has \[2\]"),
        (lambda: replace(WIDE, latency_s={1: 0.1, MAX_BATCH + 1: 9.0}), r"within \[1, 4096\], got 4097"),
        (lambda: replace(WIDE, latency_s={1: 0.0}), r"latency_s\[1\] must be > 0 and finite, got 0.0"),
        (lambda: replace(WIDE, bytes_in=-1), "bytes_in must be >= 0"),
        (lambda: replace(WIDE, weights_bytes=-1), "weights_bytes must be >= 0"),
        (lambda: replace(WIDE, features={8: Features(0.1, 0.1)}), "features names batch size 8, which latency_s lacks"),
        (lambda: replace(OBSERVABLE, models={}), "models is empty"),
        (lambda: replace(OBSERVABLE, models={"": WIDE}), "a model without a name"),
        (lambda: replace(PROFILE, name=""), "name is empty"),
        (
            lambda: replace(PROFILE, truth=Truth({"wid": {1: Sharing(1.0)}})),
            r"truth.sharing names model 'wid'.*'wide'\?",
        ),
        (lambda: replace(PROFILE, pairs=(Pair("wide", 1, "x", 1, 2.0),)), r"pairs\[0\] names model 'x'"),
        (
            lambda: replace(PROFILE, pairs=(Pair("wide", 8, "wide", 1, 2.0),)),
            r"pairs\[0\] names batch size 8 of 'wide'",
        ),
        (
            lambda: replace(PROFILE, pairs=(Pair("wide", 1, "wide", 1, 2.0),) * 2),
            r"pairs\[1\] repeats 'wide' beside 'wide'",
        ),
    ],
)
def test_impossible_figures_are_refused(make, message):
    with pytest.raises(ProfileError, match=message):
        make()


@pytest.mark.parametrize("alias", ["wide", "narrow", "wide-imagenet"])
def test_a_name_is_claimed_once(alias):
    narrow = replace(NARROW, aliases=(alias,))
    with pytest.raises(ProfileError, match=f"'narrow': '{alias}' is claimed twice"):
        replace(PROFILE, observable=replace(OBSERVABLE, models={"wide": WIDE, "narrow": narrow}))
