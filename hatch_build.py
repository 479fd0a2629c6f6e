"""Adds the data folders of the repository to the wheel.

Editable installs skip this: there `stratsim.bundled` reads the clone's own folders in place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA = {
    "traces": "traces",
    "experiments": "experiments",
    "profiles": "profiler/profiles",
    "topologies": "profiler/topologies",
}
SUFFIXES = {".csv", ".gz", ".json", ".toml", ".md"}


class DataHook(BuildHookInterface[Any]):
    """Maps the folders of `DATA` into `stratsim/_data/`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Register the data files unless this is an editable install."""
        if version == "editable":
            return
        for target, folder in DATA.items():
            for path in sorted((Path(self.root) / folder).rglob("*")):
                if path.is_file() and path.suffix in SUFFIXES:
                    name = path.relative_to(Path(self.root) / folder).as_posix()
                    build_data["force_include"][str(path)] = f"stratsim/_data/{target}/{name}"
