"""Pages of the reference that are made from the code: what can be named on the command line, and the Python API.

Written to docs/reference/generated before Sphinx looks for pages; never committed.
"""

from __future__ import annotations

from importlib import import_module
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.device.execution import EXECUTION_MODELS
from stratsim.plugins import points

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sphinx.application import Sphinx

REGISTRIES = {
    "policies": ("Policies, generated", "stratsim.policies", "`--policy NAME`, with parameters `NAME(key=value)`."),
    "predictors": ("Predictors, generated", "stratsim.predictors", "`predictor=NAME` of policies that predict."),
    "readers": ("Trace readers, generated", "stratsim.readers", "`--trace-format NAME`, or recognised by content."),
}
"""By page: title, group of entry points, and where a name is written."""

API = {
    "stratsim": "What a first script needs",
    "stratsim.policy": "Writing a policy",
    "stratsim.predict": "Writing a predictor",
    "stratsim.device": "Writing a device model",
    "stratsim.trace": "Traces",
    "stratsim.testing": "Checking what you wrote",
    "stratsim.results": "Reading results",
    "stratsim.compare": "Comparing results",
    "stratsim.sweep": "Sweeps from Python",
    "stratsim.solve": "Sharing rules",
    "stratsim.errors": "Errors",
}
"""By module: the heading under which it stands."""


def write_pages(app: Sphinx) -> None:
    """Write the generated pages, each only if it changed, so that a second build is quick."""
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        name: _registry(title, {name: point.value for name, point in points(group).items()}, where)
        for name, (title, group, where) in REGISTRIES.items()
    }
    models = {name: f"{model.__module__}:{model.__qualname__}" for name, model in EXECUTION_MODELS.items()}
    pages["device-models"] = _registry("Device models, generated", models, "`--device-model NAME`.")
    pages |= {module.replace(".", "-"): _module(module, title) for module, title in API.items()}
    for stale in {path.stem for path in folder.glob("*.md")} - pages.keys():
        (folder / f"{stale}.md").unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _registry(title: str, places: Mapping[str, str], where: str) -> str:
    parts = [f"# {title}", where]
    for name, place in sorted(places.items()):
        module, _, thing = place.partition(":")
        kind = "autoclass" if isclass(getattr(import_module(module), thing)) else "autofunction"
        target = f"{module}.{thing}"
        parts += [f"## {name}", f"```{{eval-rst}}\n.. {kind}:: {target}\n   :no-index:\n```"]
    return "\n\n".join(parts) + "\n"


def _module(module: str, title: str) -> str:
    found = import_module(module)
    names = _names(module)
    parts = [f"# {module}: {title[0].lower()}{title[1:]}", (found.__doc__ or "").partition("\n")[0]]
    elsewhere = {id(getattr(import_module(each), name)) for each in API if each != module for name in _names(each)}
    for name in names:
        thing = getattr(found, name)
        if module == "stratsim" and id(thing) in elsewhere:  # named once in the index: where it belongs
            kind = "autoclass" if isinstance(thing, type) else "autofunction"
            text = f"```{{eval-rst}}\n.. {kind}:: {module}.{name}\n   :no-index:\n```"
        elif isinstance(thing, type):
            text = f"```{{eval-rst}}\n.. autoclass:: {module}.{name}\n   :members:\n```"
        elif callable(thing):
            text = f"```{{eval-rst}}\n.. autofunction:: {module}.{name}\n```"
        else:
            text = f"A `{type(thing).__name__}`."
        parts.append(f"## {name}\n\n{text}")
    return "\n\n".join(parts) + "\n"


def _names(module: str) -> list[str]:
    return [name for name in getattr(import_module(module), "__all__", ()) if not name.startswith("__")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
