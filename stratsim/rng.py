"""Named, independent random streams.

A stream is addressed by what it is for, not by when it is drawn from: adding a model, a policy or a statistic
moves no other stream. Names become SeedSequence spawn keys; the generator is PCG64DXSM (numpy promises that a
bit generator's stream is stable, not that a distribution's is, so shipped traces are files).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Streams"]


@dataclass(frozen=True, slots=True)
class Streams:
    """The random streams of one run.

    Args:
        seed: Non-negative integer; equal seeds give equal streams.
    """

    seed: int

    def child(self, *name: str) -> Streams:
        """Return streams of their own, from which these cannot be found: for code that must not draw from ours."""
        digest = hashlib.sha256("\x1f".join((str(self.seed), *name)).encode()).digest()
        return Streams(int.from_bytes(digest[:16], "big"))

    def get(self, *name: str) -> np.random.Generator:
        """Return a fresh generator for `name`, for example `get("noise", "resnet50")`.

        Asking twice for a name gives two generators that produce the same numbers.
        """
        import numpy as np

        digest = hashlib.sha256("\x1f".join(name).encode()).digest()
        key = tuple(int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4))
        return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(self.seed, spawn_key=key)))

    def uniform(self, *name: str) -> float:
        """Return the draw from [0, 1) that belongs to `name`: the same whenever it is asked for, for single draws."""
        digest = hashlib.sha256("\x1f".join((str(self.seed), *name)).encode()).digest()
        return (int.from_bytes(digest[-8:], "big") >> 11) / 2**53
