"""The report of a fit: one HTML file with everything in it. Needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import MissingExtraError

if TYPE_CHECKING:
    from stratsim_profiler.fit import FitResult

__all__ = ["html_report"]


def html_report(result: FitResult) -> str:
    """Return the report of a fit as one HTML page, figures included.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401, ICN001 (only whether it is there)
    except ImportError:
        raise MissingExtraError("matplotlib", "profiler") from None
    from stratsim_profiler.report.page import page

    return page(result)
