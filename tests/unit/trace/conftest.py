"""Fixtures of the trace tests."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from stratsim.model.profile import (
    SCHEMA_VERSION,
    Device,
    Link,
    Observable,
    ObservableModel,
    Pcie,
    Profile,
    Provenance,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def profile() -> Profile:
    """Two models with round figures: `fast` 10 ms + 1.5 ms of copies, `slow` 30 ms + 2.5 ms of copies."""
    link = Link(alpha_s=0.0, bytes_per_s=1e9)
    models = {
        "fast": ObservableModel({1: 0.010, 2: 0.015}, 1_000_000, 500_000, aliases=("fast-imagenet", "resnet50")),
        "slow": ObservableModel({1: 0.030, 2: 0.050}, 2_000_000, 500_000),
    }
    return Profile(
        schema_version=SCHEMA_VERSION,
        name="two",
        device=Device("imagined"),
        provenance={"observable": Provenance("synthetic", "these tests"), "truth": Provenance("synthetic", "same")},
        observable=Observable(Pcie(link, link), models),
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write text or bytes to a file and return its path."""

    def _write(content: str | bytes, name: str = "trace.csv", packed: bool = False) -> Path:
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if packed else data)
        return path

    return _write
