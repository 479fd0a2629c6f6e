"""Where compiled kernels are kept on disk."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

__all__ = ["cache_folder", "is_filled"]

_ROOM = Path(__file__).parent
_PACKAGE = "stratsim"
_IMPORT = re.compile(rf"^from ({_PACKAGE}[\w.]*) import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)
"""An import that is carried out: those for type checkers alone are indented."""


@lru_cache
def cache_folder(module: str) -> Path:
    """Return the folder of a module's kernels: one per installation, and content of all that the module imports.

    numba looks at the file of a function alone, not at those of the functions that it calls: a kernel whose helper has
    changed would stay as it was. And it takes no code of another installation's, though that be the same.

    Args:
        module: Its full name.
    """
    content = hashlib.sha256(str(_ROOM).encode())
    for path in sorted(_imported(module)):
        content.update(path.read_bytes())
    given = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    home = Path(given) if given else Path.home() / ".cache"
    return home / _PACKAGE / f"{module.rpartition('.')[2]}-{content.hexdigest()[:16]}"


def is_filled(kernel: str) -> bool:
    """Whether a kernel that Python calls, and with it all that it calls, was compiled before, as it is now.

    Args:
        kernel: As `stratsim.fast.coverage.kernel_of` names it: its module within this room, and its name.
    """
    module, _, name = kernel.rpartition(".")
    return any(cache_folder(f"{__package__}.{module}").rglob(f"*{name}-*.nbc"))


def _imported(module: str) -> set[Path]:
    """Return the files of a module and of what it imports of this package, and so on."""
    found: set[Path] = set()
    left = [module]
    while left:
        path = _file_of(left.pop())
        if path is None or path in found:
            continue
        found.add(path)
        for parent, several, one in _IMPORT.findall(path.read_text(encoding="utf-8")):
            names = [name.split()[0] for name in (several or one).split(",") if name.strip()]
            inner = [f"{parent}.{name}" for name in names]
            left += [name if _file_of(name) else parent for name in inner]  # a module of a package, or what one defines
    return found


def _file_of(module: str) -> Path | None:
    """Return the file of a module; None if the name is not one of a module of this package's."""
    place = _ROOM.parent.parent.joinpath(*module.split("."))
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in files if path.is_file()), None)
