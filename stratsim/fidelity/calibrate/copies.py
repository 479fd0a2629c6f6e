"""What copies cost where models are served: the link of a profile, by the copies of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.model.parts import Link, Provenance
from stratsim.model.provenance import replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

    Floats = NDArray[np.float64]

__all__ = ["Copied", "measure_copies", "with_copies"]

_LEAST = 20
_SPREAD = 2.0
"""Largest size over the smallest from which on a rate can be told from a fixed cost. Our choice."""


class Copied(NamedTuple):
    """The link in one direction, by the copies of a run; None: not measured."""

    direction: str
    before: Link
    link: Link | None
    n: int
    rate_known: bool
    """Whether the rate is measured too; else it is the profile's."""


def measure_copies(run: Recorded, profile: Profile) -> list[Copied]:
    """Return both directions of the link: the line through median time by size, least squares of the relative error.

    Where sizes do not differ by a factor of two, or the line falls, the rate stays the profile's, and the fixed cost is
    the median of what is left.

    Args:
        run: With batches; without copies of any length nothing is measured.
        profile: Whose link it is.
    """
    requests, batches = run.result.requests, run.result.batches
    inside = requests.batch >= 0
    link = profile.observable.pcie
    found = []
    for direction, before, per_request, start_s, end_s in (
        ("h2d", link.h2d, requests.bytes_in, batches.copy_in_start_s, batches.copy_in_end_s),
        ("d2h", link.d2h, requests.bytes_out, batches.copy_out_start_s, batches.copy_out_end_s),
    ):
        weights = np.asarray(per_request[inside], np.float64)
        sizes = np.bincount(requests.batch[inside], weights=weights, minlength=len(batches)).astype(np.float64)
        took_s = end_s - start_s
        counted = ~np.isnan(took_s) & (took_s > 0) & (sizes > 0)
        found.append(_measured(direction, before, sizes[counted], took_s[counted]))
    return found


def with_copies(profile: Profile, found: Sequence[Copied], source: str) -> Profile:
    """Return a copy of the profile with the links that were measured."""
    links = {each.direction: each.link for each in found if each.link is not None}
    provenance = dict(profile.provenance)
    for each in found:
        if each.link is not None:
            path = f"observable.pcie.{each.direction}"
            what = "alpha_s and bytes_per_s" if each.rate_known else "alpha_s; bytes_per_s is as it was"
            provenance = replaced(provenance, path, Provenance("measured", source, note=f"{each.n} copies: {what}"))
    pcie = profile.observable.pcie
    pcie = replace(pcie, h2d=links.get("h2d", pcie.h2d), d2h=links.get("d2h", pcie.d2h))
    return replace(profile, observable=replace(profile.observable, pcie=pcie), provenance=provenance)


def _measured(direction: str, before: Link, sizes: Floats, took_s: Floats) -> Copied:
    n = len(sizes)
    if n < _LEAST:
        return Copied(direction, before, None, n, rate_known=False)
    line = _line(sizes, took_s)
    if line is not None:
        return Copied(direction, before, line, n, rate_known=True)
    alpha_s = float(np.median(took_s - sizes / before.bytes_per_s))
    return Copied(direction, before, replace(before, alpha_s=max(alpha_s, 0.0)), n, rate_known=False)


def _line(sizes: Floats, took_s: Floats) -> Link | None:
    """Return the line through the medians, each weighed by 1 / median and by how many copies it is of; None: none."""
    kinds = np.unique(sizes)
    if kinds[0] <= 0 or kinds[-1] < _SPREAD * kinds[0]:
        return None
    medians = np.array([np.median(took_s[sizes == kind]) for kind in kinds])
    weights = np.sqrt([np.count_nonzero(sizes == kind) for kind in kinds]) / medians
    design = np.stack([np.ones(len(kinds)), kinds], axis=1) * weights[:, None]
    (alpha_s, slope), *_ = np.linalg.lstsq(design, medians * weights, rcond=None)
    if slope <= 0:
        return None
    if alpha_s < 0:
        alpha_s, slope = 0.0, float((weights**2 * kinds * medians).sum() / (weights**2 * kinds**2).sum())
    return Link(alpha_s=float(alpha_s), bytes_per_s=float(1 / slope))
