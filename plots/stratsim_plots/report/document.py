"""The page around its sections: title, navigation, style and scripts, in one file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from stratsim_plots.report.html import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["asset", "document"]

_ALWAYS = ("theme.js", "sort.js", "contents.js")
"""Scripts of every page."""


def document(title: str, head: str, sections: Sequence[tuple[str, str, str]], scripts: Iterable[str] = ()) -> str:
    """Return a page.

    Args:
        title: Its title, as text.
        head: What comes before the sections, as HTML.
        sections: Anchor, title (text) and HTML of each.
        scripts: Names of further scripts, in order.
    """
    parts = ["{\n" + asset(name) + "}\n" for name in _ALWAYS]  # each with names of its own
    parts += ["(() => {\n" + "".join(asset(name) for name in scripts) + "})();\n"] if scripts else []
    script = "'use strict';\n" + "".join(parts)
    body = "\n".join(html for _, _, html in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">\n'
        f'<title>{escape(title)}</title>\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<style>\n{asset('page.css')}</style></head>\n"
        f'<body><div class="page">\n{_navigation(sections)}\n<main>\n{head}\n{body}\n</main></div>\n'
        f"<script>{script}</script></body></html>\n"
    )


def _navigation(sections: Sequence[tuple[str, str, str]]) -> str:
    """Return the table of contents, and the switch between light and dark, which needs the script."""
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in sections)
    switch = (
        '<p class="script-only theme"><label for="theme">Colours</label> <select id="theme">'
        '<option value="">as the system</option><option value="light">light</option>'
        '<option value="dark">dark</option></select></p>'
    )
    return f'<nav id="contents" aria-label="Contents"><ol>{links}</ol>{switch}</nav>'


def _policy(script: str) -> str:
    """Return what the browser may do: run our script and no other, and load nothing from anywhere."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def asset(name: str) -> str:
    """Return the text of a file of `assets`."""
    return (files("stratsim_plots.report") / "assets" / name).read_text(encoding="utf-8")
