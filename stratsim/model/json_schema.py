"""The JSON Schema of profiles: what an editor completes and checks while one is written.

Made from the dataclasses of the file format: their types, and the descriptions in their docstrings. Bounds of single
figures are in `BOUNDS`, as the dataclasses check them in code. What spans several fields (a pair that names a model,
shares that sum to 1) only `load_profile` checks: a file that the schema refuses is no profile, one that it accepts may
still be refused.

Source: JSON Schema 2020-12 (json-schema.org/draft/2020-12).
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from stratsim.model.parts import MAX_BATCH
from stratsim.model.profile import READ_VERSIONS, SCHEMA_VERSION, Profile

__all__ = ["BOUNDS", "PUBLISHED", "json_schema"]

PUBLISHED: Final = Path(__file__).with_name("profile.schema.json")
"""The schema as a file of the package."""

_POSITIVE: Final = {"exclusiveMinimum": 0}
_NOT_NEGATIVE: Final = {"minimum": 0}
_FRACTION: Final = {"minimum": 0, "maximum": 1}
_SHARE: Final = {"exclusiveMinimum": 0, "maximum": 1}
_BATCH: Final = {"minimum": 1, "maximum": MAX_BATCH}
_SOME: Final = {"minProperties": 1}
_TEXT: Final = {"pattern": r"\S"}

BOUNDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Profile.schema_version": {"enum": list(READ_VERSIONS)},
    "Profile.name": _TEXT,
    "Provenance.source": _TEXT,
    "Device.memory_bytes": _POSITIVE,
    "Device.memory_bandwidth_bytes_per_s": _POSITIVE,
    "Device.peak_flops": _POSITIVE,
    "Device.sms": _POSITIVE,
    "Device.l2_bytes": _POSITIVE,
    "Link.alpha_s": _NOT_NEGATIVE,
    "Link.bytes_per_s": _POSITIVE,
    "Observable.models": _SOME,
    "ObservableModel.latency_s": {"required": ["1"]},
    "ObservableModel.latency_s.*": _POSITIVE,
    "ObservableModel.bytes_in": _NOT_NEGATIVE,
    "ObservableModel.bytes_out": _NOT_NEGATIVE,
    "ObservableModel.weights_bytes": _NOT_NEGATIVE,
    "Features.compute": _FRACTION,
    "Features.memory": _FRACTION,
    "Features.l2": _FRACTION,
    "Kernels.count": _POSITIVE,
    "Kernels.mean_s": _POSITIVE,
    "Kernels.max_s": _POSITIVE,
    "Pair.slowdown": _POSITIVE,
    "Pair.target_share": _SHARE,
    "Pair.other_share": _SHARE,
    "Pair.target_batch": _BATCH,
    "Pair.other_batch": _BATCH,
    "Truth.noise_cv": _NOT_NEGATIVE,
    "Truth.sharing.*": _SOME,
    "Truth.roofline.*": _SOME,
    "Truth.partitions.*": _SHARE,
    "Sharing.demand": _SHARE,
    "SharingPhase.demand": _SHARE,
    "SharingPhase.share": _POSITIVE,
    "SharingPhase.weight": _POSITIVE,
    "ResourcePhase.share": _POSITIVE,
    "ResourcePhase.sm": _FRACTION,
    "ResourcePhase.dram": _FRACTION,
    "ResourcePhase.l2": _FRACTION,
    "ResourcePhase.issue": _FRACTION,
    "ResourcePhase.working_set_bytes": _NOT_NEGATIVE,
    "ResourcePhase.dram_spill": _NOT_NEGATIVE,
    "Blocks.slots": _POSITIVE,
    "Blocks.kernels.*": _SOME,
    "KernelBlocks.share": _POSITIVE,
    "KernelBlocks.blocks": _POSITIVE,
    "KernelQueue.hold": _FRACTION,
    "KernelQueue.length_s.*": _SOME,
    "KernelQueue.length_s.*.*": _POSITIVE,
    "KernelQueue.holds.*": _SOME,
    "KernelQueue.holds.*.*": _FRACTION,
    "KernelQueue.residual": {"minimum": 0.5, "maximum": 1},
    "KernelQueue.gap_s": _NOT_NEGATIVE,
    "Transfers.engines": _NOT_NEGATIVE,
    "Transfers.duplex": {"minimum": 0.5, "maximum": 1},
    "Transfers.h2d_share": _FRACTION,
    "Host.dispatch_s": _NOT_NEGATIVE,
    "Host.launch_s": _NOT_NEGATIVE,
    "Host.notice_s": _NOT_NEGATIVE,
    "Host.collect_s": _NOT_NEGATIVE,
}
"""Keywords of JSON Schema by `Class.field`; `Class.field.*` is for each value of a table. Tested against the checks."""

_SIMPLE: Final[Mapping[Any, str]] = {int: "integer", float: "number", str: "string", bool: "boolean"}
_BATCH_KEY: Final = {"pattern": "^[1-9][0-9]{0,3}$"}
_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def json_schema() -> dict[str, Any]:
    """Return the schema of a profile file, as plain data."""
    parts: dict[str, Any] = {}
    root = _object(Profile, parts)
    root["properties"]["$schema"] = {"type": "string", "description": "Where this schema lies, for editors."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"stratsim profile, version {SCHEMA_VERSION}",
        **root,
        "$defs": dict(sorted(parts.items())),
    }


def _object(kind: type, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a dataclass; those of the dataclasses within go to `parts`."""
    text = inspect.getdoc(kind) or ""
    about = {name: " ".join(said.split()) for name, said in _ARGUMENT.findall(text)}
    hints = get_type_hints(kind)
    properties = {}
    for field in fields(kind):
        found = _kind(hints[field.name], f"{kind.__name__}.{field.name}", parts)
        said = {"description": about[field.name]} if field.name in about else {}
        properties[field.name] = {**said, **found}
    return {
        "description": " ".join(text.split("\n\n", maxsplit=1)[0].split()),
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields(kind) if _is_required(field)],
        "additionalProperties": False,
    }


def _kind(kind: Any, where: str, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type, with the bounds of the field that has it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (rest,) = [part for part in inner if part is not type(None)]
        return {"anyOf": [_kind(rest, where, parts), {"type": "null"}]}
    if origin is Literal:
        return {"enum": list(inner)}
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in parts:
            parts[kind.__name__] = {}
            parts[kind.__name__] = _object(kind, parts)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        keys = {"propertyNames": _BATCH_KEY} if inner[0] is int else {}
        each = _kind(inner[1], f"{where}.*", parts)
        return {"type": "object", **keys, "additionalProperties": each, **BOUNDS.get(where, {})}
    if origin in (tuple, list):
        return {"type": "array", "items": _kind(inner[0], f"{where}.*", parts)}
    return {"type": _SIMPLE[kind], **BOUNDS.get(where, {})}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
