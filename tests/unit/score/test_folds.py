import pytest

from stratsim.errors import ProfileError, SpecError
from stratsim.model.profile import Pair
from stratsim.model.template import template
from stratsim.score.folds import Asked, folds, pairs_of, shifted

PAIRS = [Pair(target, 1, other, 1, 1.5) for target in "abc" for other in "abc"]


def names(pairs):
    return [pair.target + pair.other for pair in pairs]


def test_in_sample_is_fitted_to_all_and_asked_for_all():
    assert [*folds(PAIRS, "in-sample", 0)] == [(tuple(PAIRS), tuple(PAIRS))]


def test_both_directions_of_a_pair_of_models_are_left_out_together_and_copies_never():
    found = [(names(kept), names(out)) for kept, out in folds(PAIRS, "left out by pair", 0)]
    assert [out for _, out in found] == [["ab", "ba"], ["ac", "ca"], ["bc", "cb"]]
    assert found[0][0] == ["aa", "ac", "bb", "bc", "ca", "cb", "cc"]


def test_a_model_is_left_out_of_all_pairs_with_others_and_its_copies_stay():
    found = [(names(kept), names(out)) for kept, out in folds(PAIRS, "left out by model", 0)]
    assert found[0] == (["aa", "bb", "bc", "cb", "cc"], ["ab", "ac", "ba", "ca"])
    assert len(found) == 3


def test_many_pairs_are_left_out_in_twenty_folds_each_once():
    many = [Pair(f"m{a}", 1, f"m{b}", 1, 1.5) for a in range(10) for b in range(10)]
    found = [*folds(many, "left out by pair", 3)]
    assert len(found) == 20
    out = [name for _, test in found for name in names(test)]
    assert sorted(out) == sorted(names(pair for pair in many if pair.target != pair.other))
    assert found != [*folds(many, "left out by pair", 4)]


def test_the_shift_multiplies_what_co_location_costs_and_half_of_the_pairs_of_models_is_seen():
    pairs = [Pair(pair.target, 1, pair.other, 1, 1.2 if pair.target == "a" else 0.97) for pair in PAIRS]
    (seen, unseen), order = shifted(pairs, Asked(shift=2.0, rounds=3))
    assert [pair.slowdown for pair in (*seen, *unseen)] == pytest.approx([1.4] * 3)
    assert sorted(names((*seen, *unseen))) == ["aa", "ab", "ac"]  # what costs nothing does not change
    assert len(seen) == 2
    assert len(order) == 6


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(SpecError, match=r"shift must be within \(0, 100\], got 0"):
        Asked(shift=0.0)
    with pytest.raises(SpecError, match="rounds must be within"):
        Asked(rounds=0)
    with pytest.raises(SpecError, match="seed must be >= 0"):
        Asked(seed=-1)
    with pytest.raises(ProfileError, match="has no measured pairs to be judged on; `stratsim profile import pairs`"):
        pairs_of(template("t"))
