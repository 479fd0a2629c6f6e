"""What was run, in words, and the command that runs it again."""

from __future__ import annotations

import re
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
    "groups": "--groups",
    "deal": "--deal",
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
_FLAGS = {"strict": ("--strict", True), "transfers": ("--no-transfers", False)}
"""Settings whose option takes no value: which, and what it says."""
_OF_A_REPLAY = frozenset({"gpus", "topology", "memory", "groups", "deal", "device_model"})
"""Those whose option `stratsim live` lacks."""


_SWEEP_ROW = re.compile(r"row (?P<key>\w+) of the sweep in (?P<sweep>.+)")
"""The note of a run that a sweep made: its requests are the sweep's, so no replay of a trace repeats it."""


def command(manifest: Mapping[str, Any]) -> str | None:
    """Return the command that repeats the run, an option a line; None if the manifest does not say.

    Every setting that has a value is named, so that later defaults do not matter.
    """
    spec = manifest.get("spec")
    if not spec:
        return None
    for note in manifest.get("notes") or ():
        if row := _SWEEP_ROW.fullmatch(str(note)):
            return shlex.join(["stratsim", "sweep", "replay", row["sweep"], row["key"], "--out", "DIR"])
    live: Mapping[str, Any] = manifest.get("live") or {}
    lines = [
        ["stratsim", "live" if live else "replay", *([str(spec["trace"])] if spec.get("trace") is not None else [])]
    ]
    lines += [[f"--{name}", str(live[name])] for name in ("device", "dtype", "mode") if live.get(name) is not None]
    without = _OF_A_REPLAY if live else frozenset()
    for name, value in spec.items():
        if value is None or name == "trace":
            continue
        if name in _FLAGS:
            lines += [[_FLAGS[name][0]]] if value == _FLAGS[name][1] else []
        elif name in _OPTIONS and name not in without:
            lines.append([_OPTIONS[name], str(value)])
        else:
            lines.append(["--set", f"{name}={_toml(value)}"])
    return " \\\n  ".join(shlex.join(words) for words in [*lines, ["--out", "DIR"]])


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def sentence(manifest: Mapping[str, Any], more: bool = False) -> str:
    """Return what was run, in words; `more` says that more requests arrived than the trace lists."""
    spec: Mapping[str, Any] = manifest.get("spec") or {}
    return " ".join(
        [
            f"{_requests(manifest, more)} {_served(manifest, spec)}.",
            *(f"{text[0].upper()}{text[1:]}." for text in _rules(spec)),
        ]
    )


def _requests(manifest: Mapping[str, Any], more: bool) -> str:
    trace: Mapping[str, Any] = manifest.get("trace") or {}
    count = trace.get("requests")
    text = "The requests" if count is None else f"{count:,}".replace(",", " ") + " requests"
    if trace.get("name"):
        text += f" of the trace {trace['name']}"
    if more:
        text += ", and those of its clients that wait for replies,"
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
    linked = f", linked as {topology}" if topology else ""
    groups = spec.get("groups") or 1
    cut = f", in {groups} groups with a policy each (requests dealt by {spec.get('deal')})" if groups > 1 else ""
    return f"were replayed on {gpus} {profile}{linked}{cut}"


_DROPS = {
    "never": "no request is given up",
    "expired": "requests are given up once their deadline has passed",
    "infeasible": "requests are given up once they cannot be in time any more, or when a policy wants to",
}


def _rules(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("max_concurrency") is not None and spec.get("max_batch") is not None:
        batch = _count(spec["max_batch"], "request", "requests")
        at_once = _count(spec["max_concurrency"], "batch", "batches")
        yield f"a GPU executes up to {at_once} at once, each of up to {batch}"
    if spec.get("drop") in _DROPS:
        yield _DROPS[spec["drop"]]
    rest = [f"interference is by the device model {spec['device_model']}"] if spec.get("device_model") else []
    if "transfers" in spec:
        rest.append("copies take their time on PCIe" if spec["transfers"] else "copies take no time")
    if spec.get("memory") is not None:
        room = spec["memory"]
        text = "the device's memory" if isinstance(room, str) else f"{number(room / 1e9)} GB"
        rest.append(f"weights are loaded on demand into {text}")
    if spec.get("warmup_s"):
        rest.append(f"the first {number(spec['warmup_s'])} s are not measured")
    if rest:
        yield "; ".join(rest)


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
