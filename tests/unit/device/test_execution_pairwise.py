"""`pairwise`: measured pairs replayed."""

from dataclasses import replace

import pytest

from stratsim.device import execution_model
from stratsim.errors import ProfileError, SpecError
from stratsim.model.profile import Pair
from stratsim.testing import make_profile

PAIRS = (
    Pair("a", 1, "b", 1, 1.5),
    Pair("a", 1, "b", 8, 2.0),
    Pair("a", 8, "b", 1, 1.2),
    Pair("b", 1, "a", 1, 1.1),
    Pair("a", 1, "a", 1, 3.0, held_out=True),
    Pair("b", 1, "b", 1, 0.97),
)
PROFILE = make_profile({name: {1: 0.01, 16: 0.1} for name in "abc"})


def pairwise(text="pairwise", models="ab", pairs=PAIRS):
    return execution_model(text, replace(PROFILE, pairs=pairs).for_hardware(models))


def rates(model, *batches):
    return model.rates([model.work(*batch)[0].load for batch in batches])


def test_two_are_slowed_as_measured():
    assert rates(pairwise(), ("a", 1), ("b", 1)) == [1 / 1.5, 1 / 1.1]


def test_alone_nobody_is_slowed():
    assert rates(pairwise(), ("a", 1)) == [1.0]


def test_noise_below_one_counts_as_one():
    assert rates(pairwise(), ("b", 1), ("b", 1)) == [1.0, 1.0]


def test_several_co_runners_multiply_or_the_worst_counts():
    batches = [("a", 1), ("b", 1), ("a", 1), ("b", 1)]
    assert rates(pairwise(), *batches) == pytest.approx([1 / (3 * 1.5**2), 1 / 1.1**2] * 2)
    assert rates(pairwise("pairwise(combine=product)"), *batches) == rates(pairwise(), *batches)
    assert rates(pairwise("pairwise(combine=max)"), *batches) == pytest.approx([1 / 3, 1 / 1.1] * 2)


@pytest.mark.parametrize(
    ("target", "other", "slowdown"),
    [
        # Distances are of logarithms: 2 is nearer to 1 than to 8 and 3 nearer to 8 than to 1; 16 is nearest to 8.
        (1, 2, 1.5),
        (1, 3, 2.0),
        (1, 16, 2.0),
        (3, 1, 1.2),
        # (8, 8) was not measured: (1, 8) and (8, 1) are equally near, and the smaller target size wins.
        (8, 8, 2.0),
        (16, 2, 1.2),
    ],
)
def test_the_nearest_measured_sizes_count(target, other, slowdown):
    assert rates(pairwise(), ("a", target), ("b", other))[0] == 1 / slowdown


def test_a_pair_that_was_not_measured_is_named():
    pairs = (*PAIRS, Pair("c", 1, "a", 1, 1.3))
    model = pairwise(models="abc", pairs=pairs)
    message = (
        r"profile 'synthetic' has no pair of 'c' beside 'b', which device model 'pairwise' needs; it has 'c' beside a$"
    )
    with pytest.raises(ProfileError, match=message):
        rates(model, ("c", 1), ("b", 1))


def test_a_model_without_any_pair_is_named_at_once():
    with pytest.raises(ProfileError, match="lacks pairs with target 'c'"):
        pairwise(models="abc")


def test_a_rule_that_does_not_exist():
    with pytest.raises(SpecError, match=r"'pairwise\(combine=sum\)': combine must be 'product' or 'max', got 'sum'"):
        pairwise("pairwise(combine=sum)")


LIMITED = (
    *(Pair(one, 1, other, 1, 2.0) for one in "ab" for other in "ab"),
    Pair("a", 1, "b", 1, 4.0, target_share=0.25, other_share=0.75),
    Pair("b", 1, "a", 1, 1.25, target_share=0.75, other_share=0.25),
    Pair("a", 1, "b", 1, 2.5, target_share=0.5, other_share=0.5),
    Pair("b", 1, "a", 1, 1.75, target_share=0.5, other_share=0.5),
)


def limited(partitions, pairs=LIMITED):
    made = replace(PROFILE, schema_version=2, pairs=pairs, truth=replace(PROFILE.truth, partitions=partitions))
    return execution_model("pairwise", made.for_hardware("ab"))


def test_pairs_with_shares_count_where_the_profile_says_who_has_which_share():
    assert rates(limited({}), ("a", 1), ("b", 1)) == [1 / 2, 1 / 2]
    assert rates(limited({"a": 0.25, "b": 0.75}), ("a", 1), ("b", 1)) == [1 / 4, 1 / 1.25]
    assert rates(limited({"a": 0.45, "b": 0.55}), ("a", 1), ("b", 1)) == [1 / 2.5, 1 / 1.75]  # the nearest
    assert rates(limited({"a": 1.0}), ("a", 1), ("b", 1)) == [1 / 2, 1 / 2]


def test_pairs_with_shares_alone_are_refused_without_partitions():
    with pytest.raises(ProfileError, match=r"lacks truth\.partitions, which device model 'pairwise' needs"):
        limited({}, LIMITED[4:])


def test_a_scheduler_has_pairs_with_shares_apart_from_the_others():
    known = replace(PROFILE, schema_version=2, pairs=LIMITED).for_scheduler()
    assert known.pairs == LIMITED[:4]
    assert known.limited_pairs == LIMITED[4:]


def test_shares_need_the_version_of_the_schema_that_has_them_and_are_within_the_gpu():
    with pytest.raises(ProfileError, match="pairs with a share need schema_version 2"):
        replace(PROFILE, schema_version=1, pairs=LIMITED)
    with pytest.raises(ProfileError, match=r"target_share must be within \(0, 1\], got 1.5"):
        Pair("a", 1, "b", 1, 2.0, target_share=1.5)
