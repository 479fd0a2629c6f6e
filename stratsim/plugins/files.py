"""Imports users' files, once for the same content, and remembers what they were."""

from __future__ import annotations

import hashlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from stratsim.errors import SpecError, suggest
from stratsim.plugins.gate import check_allowed, code_in

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["code_sha256", "function_in_file", "module_in_file"]

_IMPORTED: dict[Path, str] = {}
"""SHA-256 of the files that were imported, as they were then."""


def function_in_file(kind: str, name: str) -> object:
    """Return what a user's file calls by a name, `path/to/file.py:function`.

    Raises:
        SpecError: there is no such file or name, or the file cannot be imported.
    """
    file, _, function = name.rpartition(":")
    module = module_in_file(kind, name, file)
    if not hasattr(module, function):
        own = [key for key, it in vars(module).items() if getattr(it, "__module__", "") == module.__name__]
        raise SpecError(f"{file} has no {function!r}; {suggest(function, own)}")
    return getattr(module, function)


def module_in_file(kind: str, name: str, file: str) -> ModuleType:
    """Return a user's file as a module.

    Args:
        kind: What is looked for in it, for the message.
        name: The whole name that was asked for, FILE.py:NAME.
        file: The file of it.

    Raises:
        CodeRefusedError: `allow_code` was not given the name.
        SpecError: there is no such file, or it cannot be imported.
    """
    path = Path(file)
    if not path.is_file():
        raise SpecError(f"{kind} {name!r}: there is no file {file!r}")
    check_allowed(kind, name)
    try:
        return _import_file(path)
    except (Exception, SystemExit) as error:  # a script without a main guard may end the process
        message = f"{kind} {name!r}: importing {file} failed: {type(error).__name__}: {error}"
        raise SpecError(message) from error


def _import_file(path: Path) -> ModuleType:
    """Import a file, once for the same content at the same place; it may import its neighbours."""
    content = path.read_bytes()
    _IMPORTED[path.resolve()] = hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + content).hexdigest()
    module_name = f"stratsim_user_{path.stem}_{digest[:12]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pickle look their module up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def code_sha256(*values: object) -> dict[str, str]:
    """Return the SHA-256 of each file of code that these texts name, by its name as typed: as imported, else as it is.

    Args:
        values: As for `allow_code`.
    """
    files = {name.rpartition(":")[0] for value in values for name in code_in(value)}
    found = {file: _IMPORTED.get(Path(file).resolve()) or _sha256(Path(file)) for file in sorted(files)}
    return {file: digest for file, digest in found.items() if digest}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # gone meanwhile, and never imported
        return ""
