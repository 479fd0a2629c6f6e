"""The head of the page: what was run, in words, and in what several folders differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim_plots.report import settings
from stratsim_plots.report.html import escape, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.explain.parts import Run
    from stratsim.results.read import StoredResults

__all__ = ["facts_list", "runs"]


def runs(stored: Sequence[StoredResults], names: Sequence[str], read: Sequence[Run]) -> str:
    """Return what the folders hold; of several, what is different comes first."""
    if len(stored) == 1:
        return _lead(stored[0], read) + facts_list(list(settings.facts(stored[0].manifest)))
    parts = [
        f"<details><summary><b>{escape(name)}</b></summary>{_lead(each, read)}"
        f"{facts_list(list(settings.facts(each.manifest)))}</details>"
        for name, each in zip(names, stored, strict=True)
    ]
    return _differences(stored, names) + "".join(parts)


def _lead(stored: StoredResults, read: Sequence[Run]) -> str:
    text = settings.sentence(stored.manifest, _more(stored, read))
    return f'<p class="lead">{escape(text)}</p>'


def _more(stored: StoredResults, read: Sequence[Run]) -> bool:
    """Return whether more requests arrived than the trace lists: of clients that wait for replies."""
    listed = (stored.manifest.get("trace") or {}).get("requests")
    own = [run for run in read if run.policy in stored.policies]
    return listed is not None and len(own) == len(read) and any(len(run.requests) > listed for run in own)


def facts_list(facts: Sequence[tuple[str, str]]) -> str:
    """Return names and values."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<dl class="facts">{items}</dl>'


def _differences(stored: Sequence[StoredResults], names: Sequence[str]) -> str:
    """Return the settings that are not the same in all folders."""
    found = [_identity(each.manifest) for each in stored]
    keys = dict.fromkeys(key for each in found for key in each)
    rows = [
        (key, *(each.get(key, "–") for each in found)) for key in keys if len({each.get(key) for each in found}) > 1
    ]
    if not rows:
        return "<p>The folders were run with the same settings.</p>"
    return f'<p>What differs:</p><div class="words">{table(("setting", *names), rows)}</div>'


def _identity(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return all that tells one run's making from another's, as text."""
    spec: Mapping[str, Any] = manifest.get("spec") or {}
    found = {name: "not set" if value is None else str(value) for name, value in spec.items()}
    for name in ("trace", "profile"):
        file: Mapping[str, Any] = manifest.get(name) or {}
        if file.get("sha256"):
            found[f"{name}, sha256"] = str(file["sha256"])[:12]
    if manifest.get("offered_load") is not None:
        found["offered load"] = f"{manifest['offered_load']:.3g}"
    if manifest.get("stratsim_version"):
        found["stratsim"] = str(manifest["stratsim_version"])
    return found
