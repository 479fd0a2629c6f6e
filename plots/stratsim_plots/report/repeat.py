"""How to run it again: commands, settings, versions and checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim_plots.report import settings
from stratsim_plots.report.html import escape, section, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.results.read import StoredResults

__all__ = ["command_block", "repeat_section"]

_AGAIN = "With the same version, trace and profile this gives the same bytes, but for the time that it takes:"
_AGAIN_LIVE = "A device never gives the same times twice, but this serves the same requests:"


def repeat_section(stored: Sequence[StoredResults], names: Sequence[str]) -> str:
    """Return the section, folder by folder."""
    parts = []
    for name, each in zip(names, stored, strict=True):
        parts += [f"<h3>{escape(name)}</h3>"] if len(stored) > 1 else []
        parts.append(_one(each))
    return section("again", "Run it again", *parts)


def _one(stored: StoredResults) -> str:
    manifest = stored.manifest
    command = settings.command(manifest)
    rows = settings.versions(manifest)
    spec = [(name, "not set" if value is None else str(value)) for name, value in (manifest.get("spec") or {}).items()]
    if command is None:
        said = "<p>The manifest does not say how this was made.</p>"
    else:
        said = f"<p>{_AGAIN_LIVE if manifest.get('live') else _AGAIN}</p>{command_block(command)}"
    resolved = (
        f"<details><summary>Every setting, as it was resolved</summary>{table(('setting', 'value'), spec)}</details>"
    )
    return said + (table(("what", "version or checksum"), rows) if rows else "") + (resolved if spec else "")


def command_block(command: str) -> str:
    """Return a command to be copied."""
    return f"<pre><code>{escape(command)}</code></pre>"
