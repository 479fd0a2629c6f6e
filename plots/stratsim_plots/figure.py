"""Makes one figure: reads folders, draws, writes the figure and the data behind it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import MissingExtraError, OutputError, SpecError, suggest
from stratsim.model.write import check_folder
from stratsim.results.read import read_results
from stratsim_plots.series import Options

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["KINDS", "READERS", "SUFFIXES", "check_asked", "draw", "make_figure", "show_figure"]

KINDS = {
    "violations": "stratsim_plots.violations",
    "latency-cdf": "stratsim_plots.latency_cdf",
    "latency-ccdf": "stratsim_plots.latency_ccdf",
    "timeline": "stratsim_plots.timeline",
    "load": "stratsim_plots.load",
    "latency-parts": "stratsim_plots.latency_parts",
    "over-time": "stratsim_plots.over_time",
}
"""Module of each kind of figure."""

READERS = {
    "differences": "stratsim_plots.differences",
    "equity": "stratsim_plots.equity",
    "capacity": "stratsim_plots.capacity",
    "heatmap": "stratsim_plots.heatmap",
}
"""Kinds that read something else than result folders too, by themselves: `read` instead of `data`."""

OF_SWEEPS = {"load": "stratsim_plots.sweep_lines", "violations": "stratsim_plots.sweep_violations"}
"""Kinds that read one sweep by a module of their own."""

OF_FLEETS = {"capacity": "stratsim_plots.fleet"}
"""Kinds that read the fewest GPUs, `stratsim capacity --rate`, by a module of their own."""

SUFFIXES = (".png", ".svg", ".pdf")


def make_figure(
    directories: Sequence[str | os.PathLike[str]],
    kind: str,
    out: str | os.PathLike[str],
    options: Options | None = None,
) -> tuple[Path, Path]:
    """Draw a figure and return the paths of the figure and of the CSV with its data.

    Args:
        directories: Result folders.
        kind: One of `KINDS` or `READERS`.
        out: The figure: its suffix, one of `SUFFIXES`, is the format. The data goes next to it, with the suffix .csv.
        options: What else was chosen.

    Raises:
        SpecError: an unknown kind or suffix, an option of another kind, no result folder, or one that lacks what the
            figure shows.
        OutputError: a file cannot be written (its folder is made), or there is a CSV of that name that is not a
            figure's data.
        MissingExtraError: matplotlib is not installed.
    """
    path = Path(out)
    suffix = path.suffix.lower()
    chosen = options or Options()
    check_asked(kind, chosen)
    if suffix not in SUFFIXES:
        raise SpecError(f"{path}: a figure's name must end in {', '.join(SUFFIXES)}, got {path.suffix!r}")
    _need_matplotlib()
    check_folder(path.parent)
    table = path.with_suffix(".csv")
    _keep_foreign(table)
    from stratsim_plots import style

    with style.styled(chosen.layout.font_size):
        frame, figure = draw(directories, kind, chosen)
        _write(
            {
                path: lambda temporary: style.save(figure, temporary, suffix),
                table: lambda temporary: frame.to_csv(temporary, index=False, lineterminator="\n"),
            }
        )
    return path, table


def show_figure(paths: Sequence[str | os.PathLike[str]], kind: str, options: Options) -> Figure:
    """Draw a figure that a notebook shows, and return it.

    Raises:
        SpecError: as for `make_figure`.
        MissingExtraError: matplotlib is not installed.
    """
    check_asked(kind, options)
    _need_matplotlib()
    from stratsim_plots import style

    with style.styled(options.layout.font_size), style.shown():
        return draw(paths, kind, options)[1]


def _need_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plots")


def draw(paths: Sequence[str | os.PathLike[str]], kind: str, options: Options) -> tuple[pd.DataFrame, Figure]:
    """Return the data behind a figure, and the figure."""
    from stratsim_plots.sources import is_fleet, is_one_sweep

    one_sweep = is_one_sweep(paths)
    if kind in OF_SWEEPS and not one_sweep and (options.metric, options.x, options.where) != (None, None, ()):
        raise SpecError("--metric, --x and --where choose among the runs of a sweep; result folders show violations")
    of_fleet = kind in OF_FLEETS and is_fleet(paths)
    own = OF_FLEETS[kind] if of_fleet else OF_SWEEPS.get(kind) if one_sweep else None
    if own or kind in READERS:
        module: Any = import_module(own or READERS[kind])
        frame = options.layout.arranged(module.read(paths, options))
        return frame, module.draw(frame, options)
    if one_sweep:
        raise SpecError(_no_requests(paths[0], kind))
    module = import_module(KINDS[kind])
    results = [read_results(path) for path in paths]
    frame = options.layout.arranged(module.data(results, options))
    return frame, module.draw(frame, results, options)


def _no_requests(path: object, kind: str) -> str:
    """Return why a kind cannot be drawn from a sweep, and the way out."""
    able = ", ".join(sorted((*OF_SWEEPS, *READERS.keys() - {"capacity"})))
    return (
        f"{path}: is a sweep, which keeps figures of runs and no requests; --kind {kind} needs the folder of a run: "
        f"`stratsim sweep replay` makes one of a row. Of a sweep there are {able}"
    )


_OPTIONS = {
    "baseline": ("differences",),
    "metric": ("differences", "heatmap", "load"),
    "where": ("differences", "equity", "heatmap", "load", "violations"),
    "x": ("heatmap", "load"),
    "y": ("heatmap",),
    "of": ("latency-cdf", "latency-ccdf"),
    "windows_s": ("over-time",),
}
"""Kinds that an option means something to."""


def check_asked(kind: str, chosen: Options) -> None:
    """See that there is such a kind, and that it knows the options that were given.

    Raises:
        SpecError: it does not.
    """
    known = (*KINDS, *READERS)
    if kind not in known:
        raise SpecError(f"no kind of figure {kind!r}; {suggest(kind, known)}")
    if kind != "timeline" and (chosen.from_s, chosen.to_s) != (None, None):
        raise SpecError(f"--from and --to choose the window of a timeline; they mean nothing to --kind {kind}")
    for name, kinds in _OPTIONS.items():
        if getattr(chosen, name) not in (None, ()) and kind not in kinds:
            raise SpecError(
                f"--{name.removesuffix('_s')} belongs to --kind {' or '.join(kinds)}; it means nothing to --kind {kind}"
            )


def _keep_foreign(table: Path) -> None:
    """Raise if the CSV's place is taken by a file that is not the data of a figure."""
    if not table.exists():
        return
    try:
        with table.open(encoding="utf-8") as file:
            header = tuple(file.readline().rstrip("\n").split(","))
    except (OSError, UnicodeDecodeError):
        header = ()
    modules = [module for kinds in (KINDS, READERS, OF_SWEEPS, OF_FLEETS) for module in kinds.values()]
    ours = {import_module(module).COLUMNS for module in modules}
    if header not in ours:
        raise OutputError(f"{table}: exists and does not hold a figure's data; choose another name for the figure")


def _write(writers: Mapping[Path, Callable[[Path], object]]) -> None:
    """Write files under temporary names beside their places, then move all there: on a full disk there is none."""
    temporaries = {path: path.with_name(f"{path.name}.tmp-{secrets.token_hex(4)}") for path in writers}
    path = next(iter(writers))
    try:
        for path, write in writers.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporaries[path])
        for path, temporary in temporaries.items():
            temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        for temporary in temporaries.values():
            with suppress(OSError):
                temporary.unlink()
