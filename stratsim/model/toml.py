"""Reads TOML files. Imports little: commands read their options' defaults by it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, StratsimError
from stratsim.limits import read_file

if TYPE_CHECKING:
    import os

__all__ = ["read_toml"]


def read_toml(path: str | os.PathLike[str], error: type[StratsimError] = SpecError) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        StratsimError: of class `error`: the file cannot be read, or is not TOML; one line that names it.
    """
    try:
        return tomllib.loads(read_file(Path(path)).decode("utf-8"))
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not a TOML file: {problem}") from None
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror or problem}") from None
    except RecursionError:
        raise error(f"{path}: not a TOML file: tables or arrays are nested too deep") from None
    except ValueError as problem:  # TOMLDecodeError, and a whole number of thousands of digits
        raise error(f"{path}: not a TOML file: {problem}") from None
