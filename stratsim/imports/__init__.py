"""Profiles from the tools that people already run: `import_measurements`, what `stratsim profile import` runs.

    from pathlib import Path

    from stratsim.imports import Ask, import_measurements

    profile, notes = import_measurements("trtexec", [Path("times.json")], Ask(model="resnet50", batch=8))

Each kind of file has a module that says what the file gives (`found.Found`: solo times, links, pairs, kernels) and what
it leaves open; `merge` puts that into a profile. A kind never guesses between two readings of a figure: it refuses, and
says what to ask for.
"""

from stratsim.imports.found import Ask, Found
from stratsim.imports.kinds import KINDS, import_measurements

__all__ = ["KINDS", "Ask", "Found", "import_measurements"]
