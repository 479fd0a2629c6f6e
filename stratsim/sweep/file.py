"""Reads the file of a sweep: TOML, with settings of the command line and a short version.

    title = "How violations grow with load"

    [sweep]
    seeds = [1, 2, 3]

    [base]
    max_batch = 4

    [arrivals]
    requests = 2000

    [axes]
    policy = ["priority-fifo", "strait(predictor=constant(slowdown={f}))"]
    "settings.f" = [1, 2]
    load = [0.7, 0.9]

Decoded strictly: an unknown key or an impossible value is an error that names the file and the path inside it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest
from stratsim.model.codec import decode
from stratsim.plugins import allow_code
from stratsim.run.spec import RunSpec, read_config, toml_value
from stratsim.sweep.check import SETTINGS, check_sweep, put
from stratsim.sweep.spec import Sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

__all__ = ["load_sweep", "make_sweep", "overridden", "quickened"]

_RUN_SETTINGS = frozenset(entry.name for entry in fields(RunSpec))


def load_sweep(path: Path, settings: Iterable[str] = (), *, quick: bool = False) -> tuple[Sweep, dict[str, Any]]:
    """Read a sweep.

    Args:
        path: A TOML file.
        settings: `KEY=VALUE` texts that win over it (`overridden`).
        quick: Apply its `[quick]` table, before the settings.

    Returns:
        The sweep, and the plain data that it was made from, for the record.

    Raises:
        SpecError: the file cannot be read, or says something unknown or impossible; names the path inside it.
    """
    data = read_config(path)
    allow_code(data)  # the file is the user's own
    make_sweep(data, path)  # a mistake must show with or without options
    if quick:
        data = quickened(data, {entry.name for entry in fields(Sweep)} - {"quick"}, path)
    data = overridden(data, settings)
    allow_code(data)
    return make_sweep(data, path), data


def make_sweep(data: Mapping[str, Any], source: object = "sweep") -> Sweep:
    """Return the sweep that plain data describes.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    sweep = decode(dict(data), Sweep, source)
    check_sweep(sweep, source)
    return sweep


def overridden(data: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Return the data of a file with settings of the command line.

    A key is a path in the file, such as `arrivals.requests` or `sweep.seeds`. A setting of a run alone goes to `base`;
    where it is an axis, or where its value is a list, it replaces that axis.

    Raises:
        SpecError: a text without `=`.
    """
    changed = dict(data)
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise SpecError(f"--set takes KEY=VALUE, got {setting!r}")
        value = toml_value(text)
        axes = changed.get("axes", {})
        grids = axes if isinstance(axes, list) else [axes]
        is_axis = any(key in grid for grid in grids)
        if is_axis or (isinstance(value, list) and (key in _RUN_SETTINGS or key.startswith(SETTINGS))):
            new = [{**grid, key: value if isinstance(value, list) else [value]} for grid in grids]
            changed["axes"] = new if isinstance(axes, list) else new[0]
        else:
            changed = put(changed, f"base.{key}" if key in _RUN_SETTINGS else key, value)
    return changed


def quickened(data: Mapping[str, Any], known: Collection[str], source: object) -> dict[str, Any]:
    """Return the data of a file with the parts that its `[quick]` table replaces.

    Args:
        data: Of the file.
        known: Parts that can be replaced.
        source: What to call the file in messages.

    Raises:
        SpecError: there is no such table, or it names what cannot be replaced.
    """
    if not data.get("quick"):
        raise SpecError(f"{source}: has no table [quick]; --set changes it")
    merged = dict(data)
    for key, value in data["quick"].items():
        if key not in known:
            raise SpecError(f"{source}: {key!r} cannot be replaced - at $.quick")
        if key == "policies" and isinstance(value, list):
            unknown = next((name for name in value if name not in data["policies"]), None)
            if unknown is not None:
                hint = suggest(str(unknown), data["policies"])
                raise SpecError(f"{source}: no policy {unknown!r}; {hint} - at $.quick.policies")
            merged[key] = {name: data["policies"][name] for name in value}
        else:
            merged[key] = value if key == "axes" else _merged(merged.get(key), value)
    return merged


def _merged(old: Any, new: Any) -> Any:
    """Return a value with what replaces parts of it; tables are merged."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}
