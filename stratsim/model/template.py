"""A profile to begin with: valid as it is, every figure of it a stand-in that is marked as one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.model.profile import SCHEMA_VERSION, Device, Link, Observable, ObservableModel, Pcie, Profile, Provenance
from stratsim.model.provenance import ASSUMED

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ANY_LINK", "template"]

ANY_LINK = Link(10e-6, 16e9)
"""Our choice: 10 us to begin a copy, and about half of what PCIe 4.0 x16 carries, for both directions."""
_ANY_MODEL = ObservableModel({1: 0.01, 8: 0.04}, bytes_in=602112, bytes_out=4000)
"""Our choice: 10 ms alone, 40 ms for eight, a float32 image of 224 x 224 in and a thousand classes out."""


def template(name: str, models: Sequence[str] = (), like: Profile | None = None) -> Profile:
    """Return a minimal profile: device, host link and solo times, and nothing of contention.

    Every figure has the origin `synthetic`, and a source that begins with `ASSUMED`: an import replaces it.

    Args:
        name: Of the profile.
        models: Their names; with `like`, names or aliases of its models. None: `my-model`, or all of `like`.
        like: A profile whose device, link and solo figures stand in; None: round numbers of our choice.

    Raises:
        SpecError: a model is named twice, or has no name.
        OutsideProfileError: `like` has no such model.
    """
    if len(set(models)) < len(models) or not all(model.strip() for model in models):
        raise SpecError(f"models must have names of their own, got {', '.join(map(repr, models))}")
    if like is None:
        chosen = dict.fromkeys(models or ("my-model",), _ANY_MODEL)
        device, observable, source = Device("my GPU"), Observable(Pcie(ANY_LINK, ANY_LINK), chosen), "a stand-in"
    else:
        names = [like.resolve(model) for model in models] or list(like.observable.models)
        chosen = {model: like.observable.models[model] for model in names}
        device, source = like.device, f"as profile {like.name!r} has it"
        observable = replace(like.observable, models=chosen)
    assumed = Provenance("synthetic", f"{ASSUMED}{source}; put your figure there, and its source here")
    provenance = {
        "device": assumed,
        "observable": assumed,
        "truth": Provenance("synthetic", f"{ASSUMED}durations do not vary"),
    }
    description = "A template: replace the stand-ins by what you measured."
    return Profile(SCHEMA_VERSION, name, device, provenance, observable, description=description)
