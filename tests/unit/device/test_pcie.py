"""Copies: one engine per GPU and direction, a latency before the bytes, and a shared uplink. Times in ms."""

from math import inf

import pytest

from stratsim.device import Direction, PrivateLinks, SharedUplink
from stratsim.model.parts import Link

MS, MB, GB = 1e-3, 10**6, 10**9
H2D, D2H = Direction


def private(gpus=1, alpha=0.0, rate=25.0, back=None):
    link = Link(alpha * MS, rate * GB)
    return PrivateLinks(gpus, link, link if back is None else Link(alpha * MS, back * GB))


def shared(gpus=2, alpha=0.0, own=25.0, uplink=25.0):
    link = Link(alpha * MS, own * GB)
    return SharedUplink(gpus, link, link, uplink * GB)


def drive(links, copies):
    """Submit copies (at, gpu, direction, MB, key) and return (start, end) by key, in ms."""
    todo = sorted(copies, key=lambda copy: copy[0])
    ends = {}
    while todo or links.next_s < inf:
        if todo and todo[0][0] * MS <= links.next_s:
            at, gpu, direction, size, key = todo.pop(0)
            links.submit(at * MS, gpu, direction, int(size * MB), key)
        else:
            now_s = links.next_s
            ends |= {copy.key: (copy.start_s / MS, now_s / MS) for copy in links.complete(now_s)}
    return {key: pytest.approx(times, abs=1e-9) for key, times in ends.items()}


class TestPrivateLinks:
    def test_one_engine_is_first_in_first_out(self):
        """100 MB and 50 MB at 25 GB/s on one GPU: 4.0, then 6.0."""
        links = private()
        assert links.submit(0.0, 0, H2D, 100 * MB) == pytest.approx((0, 4 * MS))
        assert links.submit(0.0, 0, H2D, 50 * MB) == pytest.approx((4 * MS, 6 * MS))

    def test_priority_inversion(self):
        """A 100 MB copy 0.1 ms before a 0.6 MB one: the small one waits for the large, and both pay alpha."""
        alpha = 0.02
        links = private(alpha=alpha)
        links.submit(0.0, 0, H2D, 100 * MB)
        start_s, end_s = links.submit(0.1 * MS, 0, H2D, 600_000)
        assert start_s / MS == pytest.approx(4.0 + alpha)
        assert end_s / MS == pytest.approx(4.024 + 2 * alpha)

    def test_directions_and_gpus_do_not_wait_for_each_other(self):
        links = private(gpus=2, back=12.5)
        assert links.submit(0.0, 0, H2D, 100 * MB)[1] == pytest.approx(4 * MS)
        assert links.submit(0.0, 1, H2D, 100 * MB)[1] == pytest.approx(4 * MS)
        assert links.submit(0.0, 0, D2H, 100 * MB)[1] == pytest.approx(8 * MS)

    def test_an_idle_engine_starts_at_once(self):
        links = private(alpha=1.0)
        links.submit(0.0, 0, H2D, 25 * MB)
        assert links.submit(0.5, 0, H2D, 25 * MB) == pytest.approx((0.5, 0.502))


class TestSharedUplink:
    def test_two_gpus_behind_one_uplink(self):
        """100 MB and 50 MB at 12.5 GB/s each: the small one ends at 4.0; then 50 MB are left for 25 GB/s: 6.0."""
        ends = drive(shared(), [(0, 0, H2D, 100, "large"), (0, 1, H2D, 50, "small")])
        assert ends == {"large": (0, 6), "small": (0, 4)}

    def test_one_gpu_is_first_in_first_out(self):
        ends = drive(shared(), [(0, 0, H2D, 100, "first"), (0, 0, H2D, 50, "second")])
        assert ends == {"first": (0, 4), "second": (4, 6)}

    def test_alpha_occupies_the_engine_but_not_the_link(self):
        """1 ms of latency, then 25 MB in 1 ms. The second is still in its latency while the first moves bytes."""
        ends = drive(shared(alpha=1.0), [(0, 0, H2D, 25, "a"), (1, 1, H2D, 25, "b")])
        assert ends == {"a": (0, 2), "b": (1, 3)}

    def test_priority_inversion_as_on_a_private_link(self):
        ends = drive(shared(alpha=0.02), [(0, 0, H2D, 100, "large"), (0.1, 0, H2D, 0.6, "small")])
        assert ends["small"] == (4.02, 4.064)

    def test_a_wide_uplink_leaves_the_own_links_in_charge(self):
        ends = drive(shared(own=16, uplink=40), [(0, 0, H2D, 32, "a"), (0, 1, H2D, 16, "b")])
        assert ends == {"a": (0, 2), "b": (0, 1)}

    def test_directions_do_not_share(self):
        ends = drive(shared(), [(0, 0, H2D, 25, "in"), (0, 0, D2H, 25, "out"), (0, 1, D2H, 25, "out too")])
        assert ends == {"in": (0, 1), "out": (0, 2), "out too": (0, 2)}

    def test_shares_change_whenever_a_copy_joins_or_ends(self):
        """50 MB alone for 1 ms (25 MB done); a second joins, 12.5 GB/s each: 2 ms more for both; a third joins then."""
        copies = [(0, 0, H2D, 50, "a"), (1, 1, H2D, 50, "b"), (3, 2, H2D, 25, "c")]
        # At 3 a ends; b has 25 MB left, as has c: both at 12.5 GB/s end at 5.
        assert drive(shared(gpus=3), copies) == {"a": (0, 3), "b": (1, 5), "c": (3, 5)}

    def test_idle_means_never(self):
        links = shared()
        assert links.next_s == inf
        drive(links, [(0, 0, H2D, 1, "a")])
        assert links.next_s == inf
