"""What holds for every set of streams that queue for the block scheduler."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.solve import kernel_queue

streams = st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(0.0, 1.0)), min_size=1, max_size=8)


def rates(pairs):
    return kernel_queue([length for length, _ in pairs], [length * share for length, share in pairs])


@given(pairs=streams)
def test_the_block_scheduler_is_never_busier_than_always(pairs):
    found = rates(pairs)
    assert all(0 < rate <= 1 for rate in found)
    # each stream holds it for its share of the time at full speed, times its rate
    assert sum(share * rate for (_, share), rate in zip(pairs, found, strict=True)) <= 1 + 1e-9


@given(pairs=streams, data=st.data())
def test_the_order_of_streams_moves_no_bit(pairs, data):
    order = data.draw(st.permutations(range(len(pairs))))
    found = rates(pairs)
    assert rates([pairs[i] for i in order]) == [found[i] for i in order]


@given(pairs=streams, newcomer=st.tuples(st.floats(1e-3, 1e3), st.floats(0.0, 1.0)))
def test_a_newcomer_speeds_nobody_up(pairs, newcomer):
    before, after = rates(pairs), rates([*pairs, newcomer])
    assert all(late <= early * (1 + 1e-9) for early, late in zip(before, after, strict=False))


@given(pairs=streams)
def test_nobody_waits_longer_than_for_one_kernel_of_each_other(pairs):
    held = sum(length * share for length, share in pairs)
    for (length, share), rate in zip(pairs, rates(pairs), strict=True):
        assert length / rate - length <= (held - length * share) * (1 + 1e-9) + 1e-9 * length


@given(pairs=streams, share=st.floats(0.05, 1.0))
def test_with_one_share_for_all_longer_kernels_run_faster(pairs, share):
    same = [(length, share) for length, _ in pairs]
    found = rates(same)
    order = sorted(range(len(same)), key=lambda i: same[i][0])
    assert [found[i] for i in order] == pytest.approx(sorted(found), rel=1e-9)
