"""Copies on links of their own: one engine per GPU and direction, a latency before the bytes. Times in ms."""

import numpy as np
import pytest

from stratsim.device import Direction, PrivateLinks
from stratsim.model.parts import Link

MS, MB, GB = 1e-3, 10**6, 10**9
H2D, D2H = Direction


def private(gpus=1, alpha=0.0, rate=25.0, back=None):
    link = Link(alpha * MS, rate * GB)
    return PrivateLinks([(link, link if back is None else Link(alpha * MS, back * GB))] * gpus)


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

    def test_links_may_differ(self):
        links = PrivateLinks([(Link(0.0, 25 * GB), Link(0.0, 10 * GB)), (Link(0.0, 12.5 * GB), Link(0.0, 5 * GB))])
        ends = [[links.submit(0.0, gpu, way, 100 * MB)[1] / MS for way in Direction] for gpu in (0, 1)]
        assert ends == [pytest.approx([4, 10]), pytest.approx([8, 20])]

    @pytest.mark.parametrize("cuts", [[], [1], [3], [1, 2, 4]])
    def test_all_in_one_go_or_in_pieces_is_one_by_one(self, cuts):
        links = [(Link(1 * MS, GB), Link(0.5 * MS, GB))]
        at_s = np.array([0.0, 0.001, 0.002, 0.5, 0.5])
        size = np.array([MB, 5 * MB, 0, MB, 2 * MB])
        together, single = PrivateLinks(links), PrivateLinks(links)
        pieces = zip(np.split(at_s, cuts), np.split(size, cuts), strict=True)
        found = [together.submit_all(0, D2H, at, count) for at, count in pieces]
        start_s, end_s = (np.concatenate(times).tolist() for times in zip(*found, strict=True))
        one_by_one = [single.submit(at, 0, D2H, count) for at, count in zip(at_s.tolist(), size.tolist(), strict=True)]
        assert list(zip(start_s, end_s, strict=True)) == one_by_one
