"""The one place that makes live runs: what is asked of an executor, and the one that stratsim has."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from stratsim.results import write_results
from stratsim.run.inputs import prepare
from stratsim.run.spec import make_spec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Executor", "LiveExecutor", "Order"]


class Order(NamedTuple):
    """A live run: the same requests through policies, one after the other.

    Args:
        out: Where its result folder goes; what was measured of a run that ended early goes to `OUT.partial`.
        policies: By name, with parameters, in the order in which they are to be run.
        device: What serves.
        settings: As for a replay, `trace` and `profile` included.
        dtype: Data type of the models.
        mode: How a GPU is given its kernels.
    """

    out: Path
    policies: tuple[str, ...]
    device: str
    settings: Mapping[str, Any]
    dtype: str | None = None
    mode: str | None = None


Executor = Callable[[Order], None]
"""Makes a run and writes its folder, or raises what ended it."""


class LiveExecutor:
    """Makes runs with `stratsim.live`, and keeps what serves from run to run: models take long to build.

    Use it in a `with` block.

    Args:
        say: Called with what is being waited for.
    """

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        from stratsim.live import Keeper

        self._keeper = Keeper()
        self._say = say

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.close()

    def __call__(self, order: Order) -> None:
        """Make a run, and write what was measured, whatever ended it.

        Raises:
            StratsimError: the device or a policy failed.
            KeyboardInterrupt: somebody stopped it.
        """
        from stratsim.live import Target, serve, terminable

        inputs = prepare(make_spec({**order.settings, "policy": ", ".join(order.policies)}, "run"))
        with terminable():
            target = Target(order.device, order.dtype, order.mode)
            served = serve(inputs, target, keeper=self._keeper, say=self._say)
        stopped = served.stopped
        partial = order.out.with_name(order.out.name + ".partial")
        write_results(
            list(served.outcome.results),
            order.out if stopped is None else partial,
            manifest=served.manifest(),
            summaries=list(served.outcome.summaries),
            overwrite=True,
            timeline=False,
        )
        if stopped is not None:
            raise stopped
        shutil.rmtree(partial, ignore_errors=True)  # of an earlier try: now there is the whole
