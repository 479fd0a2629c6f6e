"""The file of an experiment: a sweep has a table [sweep], a study has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stratsim.experiment.plain_sweep.spec import Sweep
    from stratsim.experiment.study import Study

__all__ = ["load_experiment"]


def load_experiment(path: Path, settings: Sequence[str], *, quick: bool) -> tuple[Study | Sweep, dict[str, Any]]:
    """Read a study or a sweep, with settings of the command line; return it and its plain data.

    Raises:
        SpecError: it cannot be read, says something unknown or impossible, or has no such option.
    """
    from stratsim.errors import SpecError
    from stratsim.experiment.plain_sweep.spec import is_sweep, load_sweep
    from stratsim.experiment.study import load_study
    from stratsim.run.spec import read_config

    if is_sweep(read_config(path)):
        if quick:
            raise SpecError(f"{path}: a sweep has no [quick]; --set changes it")
        return load_sweep(path, settings)
    if settings:
        raise SpecError(f"{path}: --set is for sweeps, and this is a study: it has no [sweep]")
    return load_study(path, quick=quick)
