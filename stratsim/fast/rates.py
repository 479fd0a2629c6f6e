"""The device model and the links, asked by kernels for rates that they have not met yet."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stratsim.device import Fabric
from stratsim.device.execution.fluid import MOST_SETS
from stratsim.fast.codes import ANSWER_AT, ASKED_AT, FAILED, FORGET, STATUS
from stratsim.fast.compiled import IS_COMPILED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.device import FluidUnit
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["Rates", "callback"]


class Rates:
    """Answers with the device model's own rates, remembered as `FluidUnit` does: by set, as first asked for.

    Args:
        unit: An idle unit of the device model.
        links: What copies run over.
        loads: By number.
        gpus: Number of GPUs: each remembers for itself.
        ints: Has the question, and is told what has gone wrong.
        reals: Takes the answer.
    """

    def __init__(
        self, unit: FluidUnit[Any], links: object, loads: Sequence[Any], gpus: int, ints: Ints, reals: Reals
    ) -> None:
        self._links = links
        self._rates = unit.rates
        self._loads = loads
        self._ints = ints
        begin, answer = int(ints[ASKED_AT]), int(ints[ANSWER_AT])
        self._asked, self._answer = ints[begin:], reals[answer:]
        self._sets: list[dict[frozenset[tuple[Any, int]], dict[Any, float]]] = [{} for _ in range(gpus)]

    def ask(self, gpu: int, count: int) -> None:
        """Put the rates of the first `count` loads at `ASKED_AT` at `ANSWER_AT`; of lanes, if the GPU is -1."""
        try:
            asked = self._asked[:count].tolist()
            self._answer[:count] = self._of_loads(gpu, asked) if gpu >= 0 else self._of_lanes(asked)
        except Exception:  # noqa: BLE001 (the reference engine is to meet it again, and say when and where)
            self._answer[:count] = 1.0
            self._ints[STATUS] = FAILED

    def _of_lanes(self, lanes: list[int]) -> list[float]:
        assert isinstance(self._links, Fabric)  # noqa: S101 (kernels ask where links are shared)
        return self._links.solve(tuple(lanes))

    def _of_loads(self, gpu: int, numbers: list[int]) -> Sequence[float]:
        loads = [self._loads[number] for number in numbers]
        return self._rates(tuple(loads)) if len(loads) == 2 else self._of_set(self._sets[gpu], loads)

    def _of_set(self, known: dict[frozenset[tuple[Any, int]], dict[Any, float]], loads: list[Any]) -> list[float]:
        count: dict[Any, int] = {}
        for load in loads:
            count[load] = count.get(load, 0) + 1
        active = frozenset(count.items())
        rates = known.get(active)
        if not rates:
            if len(known) >= MOST_SETS:
                known.clear()
                self._ints[FORGET] = 1
            rates = known[active] = dict(zip(loads, self._rates(loads), strict=True))
        return [rates[load] for load in loads]


def callback(function: Callable[[int, int], None]) -> Ask:
    """Return a function that kernels can call, compiled or not."""
    return _native()(function) if IS_COMPILED else function


@lru_cache
def _native() -> Any:
    import numba.experimental.function_type  # noqa: F401 (registers the protocol below)
    from numba import types

    class Native(types.WrapperAddressProtocol):  # type: ignore[misc]
        """A C function that calls a Python function: a first-class function to numba, so that kernels can be cached."""

        def __init__(self, function: Callable[[int, int], None]) -> None:
            self.pointer = ctypes.PYFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(function)

        def __wrapper_address__(self) -> int | None:
            return ctypes.cast(self.pointer, ctypes.c_void_p).value

        def signature(self) -> Any:
            return types.void(types.int64, types.int64)

    return Native
