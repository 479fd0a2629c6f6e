"""Links of a page to files of the repository outside docs: the site does not hold them, so their path is shown.

On the page as it lies in the repository they stay links.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]*)(?:#[^)\s]*)?\)")


def show_paths(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace each such link of a page's text by its words and the file's path from the root of the repository."""
    docs = Path(app.srcdir)
    folder = Path(app.env.doc2path(page)).parent

    def shown(link: re.Match[str]) -> str:
        file = (folder / link[2]).resolve()
        if file.is_relative_to(docs) or not file.exists():
            return link[0]
        path = file.relative_to(docs.parent).as_posix()
        return f"`{path}`" if link[1].strip("`").endswith(path) else f"{link[1]} (`{path}`)"

    source[0] = _LINK.sub(shown, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", show_paths)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
