"""Features of solo runs, also where a profile lacks some, and the regressors made from them."""

import pytest

from stratsim.errors import OutsideProfileError, SpecError
from stratsim.model.parts import Features
from stratsim.model.profile import Link, SchedulerModel, SchedulerProfile
from stratsim.predict.design import DesignTable
from stratsim.predict.features import FeatureTable
from stratsim.testing import make_profile

LINK = Link(0.0, 1e10)


def profile(**features):
    models = {name: SchedulerModel(name, (0.01,) * 5, 0, 0, features=table) for name, table in features.items()}
    return SchedulerProfile("made", models, LINK, LINK)


def test_between_batch_sizes_features_are_linear_beyond_them_constant():
    table = FeatureTable(profile(a={1: Features(0.2, 0.1), 3: Features(0.6, 0.3)}), ("compute", "memory"))
    assert table["a", 1] == (0.2, 0.1)
    assert table["a", 2] == pytest.approx((0.4, 0.2))
    assert table["a", 4] == pytest.approx((0.6, 0.3))


def test_a_model_without_features_counts_as_the_mean_of_the_others():
    table = FeatureTable(profile(a={1: Features(0.2, 0.1)}, b={1: Features(0.4, 0.5)}, c={}), ("memory", "compute"))
    assert table["c", 3] == pytest.approx((0.3, 0.3))
    assert table.missing == {"memory": ("c",), "compute": ("c",)}


def test_a_feature_that_no_model_has_is_zero():
    made = profile(a={1: Features(0.2, 0.1)}, b={})
    table = FeatureTable(made, ("l2", "busy", "compute"))
    assert table["a", 1] == (0.0, 0.0, 0.2)
    assert table.missing["l2"] == ("a", "b")


def test_busy_is_the_share_of_time_in_kernels(knowledge, kernels):
    made = knowledge("ab", kernels={"a": kernels(count=100, mean_s=40e-6), "b": kernels(count=1000, mean_s=1.0)})
    table = FeatureTable(made, ("busy",))
    assert table["a", 2] == pytest.approx((0.4,))
    assert table["b", 1] == (1.0,)


def test_batch_is_the_logarithm_of_the_size(knowledge):
    table = FeatureTable(knowledge("ab", sizes=8), ("batch",))
    assert [table["a", batch][0] for batch in (1, 2, 4, 8)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert FeatureTable(knowledge("ab", sizes=1), ("batch",))["a", 1] == (0.0,)


def test_unknown_names_are_answered():
    with pytest.raises(SpecError, match=r"^unknown feature 'memry'; did you mean 'memory'\?$"):
        FeatureTable(profile(a={}), ("memry",))
    with pytest.raises(OutsideProfileError, match="covers batch sizes 1 to 4 of model 'a', got 5"):
        FeatureTable(profile(a={}), ("compute",))["a", 5]


FEATURES = {"a": (0.2, 0.1), "b": (0.5, 0.4), "c": (0.3, 0.7)}


def regressors(design, target, others):
    values, terms = design(target, others)
    return {design.names[column]: pytest.approx(value) for column, value in (*enumerate(values), *terms)}


def test_regressors_beside_one_other(knowledge):
    design = DesignTable(knowledge(features=FEATURES), ("compute", "memory"), "rate", pairs=True)
    assert regressors(design, ("a", 1), (("b", 2),)) == {
        "number": 1.0,
        "crowding": 0.0,
        "own compute": 0.2,
        "own memory": 0.1,
        "others' compute": 0.5,
        "others' memory": 0.4,
        "product compute": 0.1,
        "product memory": 0.04,
        "a beside b": 1.0,
    }
    assert design.shared == 8
    assert len(design.names) == 8 + 9


@pytest.mark.parametrize(("form", "scale"), [("rate", 2 / 3), ("slowdown", 1.0)])
def test_regressors_beside_two_others(knowledge, form, scale):
    """Each of two co-runners counts 2 / (1 + 2) in the rate form, 1 in the slowdown form."""
    design = DesignTable(knowledge(features=FEATURES), ("memory",), form, pairs=True)
    found = regressors(design, ("a", 1), (("b", 1), ("c", 1)))
    assert found == {
        "number": 2 * scale,
        "crowding": scale,
        "own memory": 0.2 * scale,
        "others' memory": 1.1 * scale,
        "product memory": 0.11 * scale,
        "a beside b": scale,
        "a beside c": scale,
    }
    twice = regressors(design, ("a", 1), (("b", 1), ("b", 2)))
    assert twice["a beside b"] == 2 * scale
    assert design(("a", 1), (("c", 1), ("b", 1))) == design(("a", 1), (("b", 1), ("c", 1)))


def test_pairs_are_directed_and_can_be_left_out(knowledge):
    design = DesignTable(knowledge("ab"), (), "rate", pairs=True)
    assert design(("a", 1), (("b", 1),)).terms != design(("b", 1), (("a", 1),)).terms
    bare = DesignTable(knowledge("ab"), (), "rate", pairs=False)
    assert bare.names == ("number", "crowding")
    assert bare(("a", 1), (("b", 1),)) == ((1.0, 0.0), ())


def test_the_table_is_bounded(knowledge, monkeypatch):
    monkeypatch.setattr("stratsim.predict.design._CACHE_LIMIT", 1)
    design = DesignTable(knowledge("ab"), (), "rate", pairs=True)
    first = design(("a", 1), (("b", 1),))
    design(("b", 1), (("a", 1),))
    assert len(design.known) == 1
    assert design(("a", 1), (("b", 1),)) == first


def test_regressors_that_are_0_for_everything_are_left_out_at_the_end():
    profile = make_profile({"a": 1.0, "b": {1: 1.0, 4: 2.0}}).for_scheduler()
    names = ("batch", "compute", "memory")
    assert FeatureTable(profile, names).telling == ("batch",)
    design = DesignTable(profile, names, "rate", pairs=True)
    values, _ = design(("b", 4), (("b", 4),))
    assert dict(zip(design.names, values, strict=False)) == {
        "number": 1.0,
        "crowding": 0.0,
        "own batch": 1.0,
        "own compute": 0.0,
        "own memory": 0.0,
        "others' batch": 1.0,
        "others' compute": 0.0,
        "others' memory": 0.0,
        "product batch": 1.0,
    }
    assert design.shared == 11
