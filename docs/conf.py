"""The documentation site: `make docs` builds it into docs/_build/html, without network."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from stratsim import __version__  # noqa: E402

WITHOUT_TORCH = "(?!4_)"
"""The tutorial that measures this machine is shown, not run, where torch is not there."""

project = "stratsim"
author = "The stratsim developers"
copyright = author  # noqa: A001 (the name that Sphinx reads)
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "gallery_data",
    "repository_links",
    "registries",
]
exclude_patterns = ["_build", "figures/**/README.md", "gallery", "tutorials"]  # the last two are made into pages
nitpicky = False
highlight_language = "text"  # blocks without a language are commands and what they print
add_module_names = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

sphinx_gallery_conf = {
    "examples_dirs": ["gallery", "tutorials"],
    "gallery_dirs": ["reference/generated/gallery", "reference/generated/tutorials"],
    "filename_pattern": "plot_" + ("" if find_spec("torch") else WITHOUT_TORCH),
    "within_subsection_order": "FileNameSortKey",
    "min_reported_time": 1e9,  # no times on the pages: they are those of this machine
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "ignore_repr_types": "matplotlib",
    "default_thumb_file": str(HERE / "_static" / "icon.svg"),
    "matplotlib_animations": False,
}

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"stratsim {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_theme_options = {
    "navigation_with_keys": True,
    "show_toc_level": 2,
    "show_prev_next": True,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
}
