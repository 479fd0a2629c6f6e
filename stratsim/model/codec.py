"""Reads and writes files as frozen dataclasses. Everything wrong with a file is said at once, a line each.

Decoding goes through msgspec, imported on use; writing needs the standard library only, so that the profiler can
write a profile on a machine that has neither msgspec nor SimPy.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from stratsim import bundled
from stratsim.errors import ProfileError, SchemaVersionError, SpecError, StratsimError, suggest
from stratsim.limits import bounded, read_file
from stratsim.model.frozen import by_content, frozen
from stratsim.model.mistakes import find_mistakes, has_unknown_field
from stratsim.model.profile import READ_VERSIONS, Profile

__all__ = ["decode", "dump_profile", "load_profile", "plain", "profile_sha256", "read_json"]

T = TypeVar("T")

_LONGEST_INTEGER = 19
"""Characters of a whole number: 64 bits have no more."""
_WIDTH = 140
"""A container that fits in this many characters is written on one line: a pair does."""


def decode(data: object, kind: type[T], source: object, error: type[StratsimError] = SpecError) -> T:
    """Turn plain data (from JSON or TOML) into `kind`.

    Unknown fields are refused, numbers are not read from strings, and keys of dicts are converted (JSON has string
    keys only). What a dataclass checks in `__post_init__`, by raising a ValueError, is reported like everything else.

    Args:
        data: Dicts, lists, strings, numbers, booleans and None.
        kind: A dataclass, or any type that msgspec can decode.
        source: What to call the data in messages: usually the file.
        error: Class of the error to raise.

    Raises:
        StratsimError: of class `error`, as `source: what is wrong - at $.path.inside`, a line for each mistake.
    """
    import msgspec

    if not has_unknown_field(data, kind):
        try:
            return msgspec.convert(data, kind, str_keys=True)
        except msgspec.ValidationError as problem:
            first = str(problem)
    else:
        first = "has an unknown field"
    raise error("\n".join(f"{source}: {mistake}" for mistake in find_mistakes(data, kind) or [first]))


def read_json(path: Path, error: type[StratsimError] = SpecError) -> Any:
    """Return the content of a JSON file, gzipped or not; NaN, infinity and repeated keys are refused.

    Raises:
        StratsimError: of class `error`; one line that names the file and, where it helps, line and column.
    """
    return _parse_json(_read_text(path, error), path, error)


def _read_text(path: Path, error: type[StratsimError]) -> str:
    try:
        text = _unpacked(read_file(path), path, error).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"{path}: not a JSON file (it is not UTF-8 text)") from None
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror or problem}") from None
    if not text.strip():
        raise error(f"{path}: the file is empty")
    return text


def _unpacked(content: bytes, path: Path, error: type[StratsimError]) -> bytes:
    """Return the content, unpacked if it is gzip's, within the memory budget."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    import gzip
    import io
    import zlib

    try:
        with gzip.open(io.BytesIO(content)) as packed:
            return bounded(packed, path).read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise error(f"{path}: cannot be unpacked: {problem}") from None


def _parse_json(text: str, path: str | Path, error: type[StratsimError]) -> Any:
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise error(f"{path}: not valid JSON: {problem.msg} at {place}") from None
    except RecursionError:
        raise error(f"{path}: not valid JSON: objects or arrays are nested too deep") from None
    except ValueError as problem:
        raise error(f"{path}: not valid JSON: {problem}") from None


def load_profile(source: str | Path) -> Profile:
    """Return a profile; its tables cannot be changed (`dataclasses.replace` makes another), as it is read only once.

    Args:
        source: Name of a bundled profile, or a file, gzipped or not. A bundled name wins over a file of that name in
            the working directory; write `./NAME` for the file.

    Raises:
        SchemaVersionError: the file was written for another version of the schema.
        ProfileError: anything else; one line that names the file and the path inside it.
    """
    path = _profile_path(source)
    return _profile_from(_read_text(path, ProfileError), str(path))


@by_content
def _profile_from(text: str, path: str) -> Profile:
    data = _parse_json(text, path, ProfileError)
    _check_version(data, path)
    if isinstance(data.get("$schema"), str):
        del data["$schema"]  # it is for editors: where the JSON Schema lies
    return frozen(decode(data, Profile, path, ProfileError))


def dump_profile(profile: Profile) -> str:
    """Return a profile as JSON text: fields in the order of the schema, batch sizes ascending, a newline at the end.

    Optional fields that hold nothing (None or empty) are left out. Reading the text back gives an equal profile, and
    writing that one gives the same text.

    Raises:
        ProfileError: a figure is infinite or NaN, which JSON cannot hold.
    """
    try:
        return _layout(plain(profile), 0) + "\n"
    except ValueError as problem:
        raise ProfileError(f"profile {profile.name!r} cannot be written: {problem}") from None


def profile_sha256(profile: Profile) -> str:
    """Return the SHA-256 of `dump_profile`'s text, in hexadecimal.

    For a bundled profile it is the checksum of the file itself, as `sha256sum` prints it.
    """
    return hashlib.sha256(dump_profile(profile).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return dataclasses as dicts, tuples as lists, keys as strings.

    Fields that hold nothing (None or empty) are left out unless reading needs them.
    """
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: plain(item) for field, item in pairs if not (_is_nothing(item) and _has_default(field))}
    if isinstance(value, Mapping):
        keys = sorted(value) if all(isinstance(key, int) for key in value) else list(value)
        return {str(key): plain(value[key]) for key in keys}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str | Mapping | list | tuple) and not value)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _layout(value: Any, indent: int) -> str:
    """Return JSON text: a container goes on one line where it fits."""
    line = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(line) + indent <= _WIDTH:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {_layout(item, indent + 2)}" for key, item in value.items()
        ]
        opening, closing = "{", "}"
    else:
        rows = [f"{inner}{_layout(item, indent + 2)}" for item in value]
        opening, closing = "[", "]"
    return opening + "\n" + ",\n".join(rows) + "\n" + " " * indent + closing


def _profile_path(source: str | Path) -> Path:
    known = bundled.names("profiles")
    if isinstance(source, str) and source in known:
        return known[source]
    path = Path(source)
    if path.is_dir():
        raise ProfileError(f"{path}: is a directory, not a profile")
    if not path.exists():
        hint = suggest(path.name.removesuffix(".json"), known)
        raise ProfileError(f"{source}: neither a file nor a bundled profile; {hint}")
    return path


def _check_version(data: object, path: str) -> None:
    if not isinstance(data, dict):
        raise ProfileError(f"{path}: a profile is a JSON object, got {_kind_name(data)} - at $")
    version = data.get("schema_version")
    reads = f"this stratsim reads versions {' and '.join(map(str, READ_VERSIONS))}"
    if version is None:
        raise SchemaVersionError(f"{path}: schema_version is missing; {reads}")
    if type(version) is not int or version not in READ_VERSIONS:
        raise SchemaVersionError(f"{path}: schema_version is {version!r}; {reads} - at $.schema_version")


def _kind_name(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number; leave the field out where a figure is not known")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits} is too large a number")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"a whole number of {len(digits)} digits is too large")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} occurs twice in one object")
        found[key] = value
    return found
