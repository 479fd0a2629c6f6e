"""What was run, in words, and the command that runs it again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from stratsim_plots.report.html import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["command", "facts", "sentence", "versions"]

_OPTIONS = {
    "policy": "--policy",
    "profile": "--profile",
    "gpus": "--gpus",
    "topology": "--topology",
    "memory": "--memory",
    "workload": "--workload",
    "load": "--load",
    "rate_scale": "--rate-scale",
    "limit": "--limit",
    "warmup_s": "--warmup",
    "seed": "--seed",
    "device_model": "--device-model",
    "max_concurrency": "--max-concurrency",
    "max_batch": "--max-batch",
    "drop": "--drop",
    "trace_format": "--trace-format",
}
"""Settings that have an option of their own; the others go through --set."""
_OF_A_REPLAY = frozenset({"gpus", "topology", "memory", "device_model"})
"""Those whose option `stratsim live` lacks."""


def command(manifest: Mapping[str, Any]) -> str | None:
    """Return the command that repeats the run, with every setting that is not empty; None if the manifest has none."""
    spec = manifest.get("spec")
    if not spec:
        return None
    live: Mapping[str, Any] = manifest.get("live") or {}
    words = ["stratsim", "live" if live else "replay"]
    if spec.get("trace") is not None:
        words.append(str(spec["trace"]))
    for name in ("device", "dtype", "mode") if live else ():
        if live.get(name) is not None:
            words += [f"--{name}", str(live[name])]
    without = _OF_A_REPLAY if live else frozenset()
    for name, value in spec.items():
        if value is None or name == "trace":
            continue
        if name in _OPTIONS and name not in without:
            words += [_OPTIONS[name], str(value)]
        else:
            words += ["--set", f"{name}={_toml(value)}"]
    return shlex.join([*words, "--out", "DIR"])


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def sentence(manifest: Mapping[str, Any]) -> str:
    """Return what was run, in words."""
    spec: Mapping[str, Any] = manifest.get("spec") or {}
    return " ".join(
        [
            f"{_requests(manifest)} {_served(manifest, spec)}.",
            *(f"{text[0].upper()}{text[1:]}." for text in _rules(spec)),
        ]
    )


def _requests(manifest: Mapping[str, Any]) -> str:
    trace: Mapping[str, Any] = manifest.get("trace") or {}
    count = trace.get("requests")
    text = "The requests" if count is None else f"{count:,}".replace(",", " ") + " requests"
    if trace.get("name"):
        text += f" of the trace {trace['name']}"
    load = manifest.get("offered_load")
    return text if load is None else f"{text}, at {number(load, 3)} of what the GPUs could serve one by one,"


def _served(manifest: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    profile = (manifest.get("profile") or {}).get("name") or spec.get("profile") or "unknown"
    live = manifest.get("live")
    if live:
        return f"were served live on {live.get('device')}, by policies that believe the profile {profile}"
    topology = (manifest.get("topology") or {}).get("name")
    count = spec.get("gpus")
    gpus = "GPUs" if count is None and topology else f"{count or 1} GPU{'' if (count or 1) == 1 else 's'}"
    return f"were replayed on {gpus} {profile}" + (f", linked as {topology}" if topology else "")


_DROPS = {
    "never": "no request is given up",
    "expired": "requests are given up once their deadline has passed",
    "infeasible": "requests are given up once they cannot be in time any more, or when a policy wants to",
}


def _rules(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("max_concurrency") is not None:
        yield f"a GPU executes at most {_count(spec['max_concurrency'], 'batch', 'batches')} at once"
    if spec.get("max_batch") is not None:
        yield f"a batch has at most {_count(spec['max_batch'], 'request', 'requests')}"
    if spec.get("device_model"):
        yield f"how batches slow each other says the device model {spec['device_model']}"
    if "transfers" in spec:
        yield "inputs and outputs are copied over PCIe" if spec["transfers"] else "copies cost nothing"
    if spec.get("memory") is not None:
        yield f"weights are loaded on demand ({spec['memory']} bytes of room)"
    if spec.get("drop") in _DROPS:
        yield _DROPS[spec["drop"]]
    if spec.get("warmup_s"):
        yield f"the first {number(spec['warmup_s'])} s are not measured"


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def facts(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and value of what identifies the run: files with their checksums, seed, version."""
    profile: Mapping[str, Any] = manifest.get("profile") or {}
    if profile:
        yield (
            "profile",
            f"{profile.get('name', 'unnamed')}; its figures are {profile.get('label', 'of unknown origin')}",
        )
    trace: Mapping[str, Any] = manifest.get("trace") or {}
    if trace.get("name"):
        yield "trace", f"{trace['name']} ({trace.get('format', 'format unknown')})"
    if manifest.get("seed") is not None:
        yield "seed", str(manifest["seed"])
    if manifest.get("stratsim_version"):
        yield "stratsim", str(manifest["stratsim_version"])
    live = manifest.get("live")
    if live:
        yield "served", f"{live.get('started')}, on {live.get('device')}; {live.get('status')}"


def versions(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return versions and checksums, as in the manifest."""
    rows = [("stratsim", str(manifest["stratsim_version"]))] if manifest.get("stratsim_version") else []
    rows += [(name, str(found)) for name, found in (manifest.get("versions") or {}).items()]
    for name in ("trace", "profile", "topology"):
        file: Mapping[str, Any] = manifest.get(name) or {}
        if file.get("sha256"):
            rows.append((f"sha256 of {name} {file.get('name', '')}", str(file["sha256"])))
    return rows
