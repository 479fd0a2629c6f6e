"""The report of a fit: one HTML file with everything in it. Needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim_profiler.fit import FitResult

__all__ = ["html_report", "write_figures"]


def html_report(result: FitResult) -> str:
    """Return the report of a fit as one HTML page, figures included.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    _need_matplotlib()
    from stratsim_profiler.report.page import page

    return page(result)


def write_figures(result: FitResult, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write each figure of the report as a PNG file into a folder, which is made, and return the paths.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the folder cannot be made, a file exists and `overwrite` is false, or it cannot be written.
    """
    _need_matplotlib()
    from stratsim.model.write import write_bytes
    from stratsim_profiler.report.figures import every_figure
    from stratsim_profiler.report.look import png, styled

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"{folder}: cannot be made: {problem.strerror or problem}") from None
    written = []
    with styled():
        for name, figure in every_figure(result.summary):
            path = folder / f"{name}.png"
            write_bytes(png(figure), path, overwrite=overwrite)
            written.append(path)
    return written


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401, ICN001 (only whether it is there)
    except ImportError:
        raise MissingExtraError("matplotlib", "profiler") from None
