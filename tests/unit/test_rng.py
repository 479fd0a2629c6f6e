"""Random streams are addressed by name."""

import itertools

import numpy as np
import pytest

from stratsim.rng import Streams

PINNED = [6302526804687236465, 17590208797046851417, 3279103155527463326]


def draws(seed, *name, count=8):
    return Streams(seed).get(*name).random(count).tolist()


def test_a_name_gives_the_same_numbers_whenever_it_is_asked_for():
    streams = Streams(5)
    first = streams.get("noise", "a").random(4).tolist()
    streams.get("noise", "b").random(100)
    assert streams.get("noise", "a").random(4).tolist() == first == draws(5, "noise", "a", count=4)


def test_names_and_seeds_give_different_numbers():
    names = [("noise", "a"), ("noise", "b"), ("noise",), ("a", "noise"), ("noisea",), ("noise", "a", "")]
    seen = [draws(seed, *name) for seed in (0, 1, 2**40) for name in names]
    assert all(one != other for one, other in itertools.combinations(seen, 2))


def test_where_a_name_is_cut_matters():
    assert draws(0, "ab", "c") != draws(0, "a", "bc")


def test_the_generator_is_the_documented_one():
    assert isinstance(Streams(0).get("x").bit_generator, np.random.PCG64DXSM)


def test_raw_bits_are_pinned():
    """numpy keeps a bit generator's stream for ever: these numbers may never change."""
    raw = Streams(42).get("noise", "resnet50").bit_generator.random_raw(3).tolist()
    assert raw == PINNED


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="non-negative"):
        Streams(-1).get("x")
