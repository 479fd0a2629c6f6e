"""What a benchmark's figures depend on besides the code that it measures, and the pages that show them."""

from __future__ import annotations

import os
import platform
import re
import shutil
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim import __version__
from stratsim.sweep.code import code_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PAGE", "facts", "in_words", "publish"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "performance.md"
FIGURES = PAGE.parents[1] / "figures" / "performance"


def facts(libraries: Iterable[str] = ()) -> dict[str, Any]:
    """Return the machine, the versions, the hash of stratsim's code, and the date."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "stratsim": __version__,
        "code_sha256": code_sha256(),
        "versions": {name: found for name in ("numpy", "simpy", *libraries) if (found := _version(name))},
        "date": datetime.now(UTC).date().isoformat(),
    }


def in_words(known: dict[str, Any]) -> str:
    """Return one sentence on where and when."""
    versions = ", ".join(f"{name} {number}" for name, number in known["versions"].items())
    return (
        f"{known['date']}, {known['cpu']}, {known['cores']} cores, {known['system']}, {known['python']}, "
        f"stratsim {known['stratsim']} (code {known['code_sha256'][:10]}), {versions}."
    )


def publish(name: str, text: str, folder: Path, page: Path = PAGE, figures: Path = FIGURES) -> None:
    """Put a table between the page's marks `<!-- NAME -->` and `<!-- /NAME -->`, and the figure beside the page.

    Raises:
        SystemExit: the page lacks the marks.
    """
    before = page.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marks.search(before):
        raise SystemExit(f"{page.name} has no place for {name}: <!-- {name} --> ... <!-- /{name} -->")
    page.write_text(marks.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", before), encoding="utf-8")
    figures.mkdir(parents=True, exist_ok=True)
    for suffix in (".csv", ".json", ".png", ".svg"):
        if (made := folder / f"{name}{suffix}").exists():
            shutil.copyfile(made, figures / made.name)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
