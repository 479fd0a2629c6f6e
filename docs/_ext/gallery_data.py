"""The result folders that gallery and tutorials draw: made by the commands that the gallery's page shows, once."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.cli import main

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_COMMAND = re.compile(r"^ +\$ stratsim (.*)$", re.MULTILINE)


def make_results(app: Sphinx) -> None:
    """Run each command whose output is not there yet, from the root of the repository, into docs/gallery/results."""
    gallery = Path(app.srcdir) / "gallery"
    (gallery / "results").mkdir(exist_ok=True)
    for line in _COMMAND.findall((gallery / "GALLERY_HEADER.rst").read_text(encoding="utf-8")):
        argv = [
            str(gallery / each.removeprefix("docs/gallery/")) if _is_path(each) else each for each in shlex.split(line)
        ]
        if Path(argv[argv.index("--out") + 1]).exists():
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            failed = main([*argv, "--quiet"])
        if failed:
            raise RuntimeError(f"stratsim {line} failed")


def _is_path(argument: str) -> bool:
    return argument.startswith(("results/", "docs/gallery/"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx, before the gallery runs its scripts."""
    app.connect("builder-inited", make_results, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
