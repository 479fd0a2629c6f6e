"""The device model and the links, asked for the rates of sets that kernels have not met yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.device import Fabric
from stratsim.device.execution.fluid import MOST_SETS
from stratsim.fast.codes import ANSWER_AT, ASKED_AT, FORGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.device import FluidUnit
    from stratsim.fast.compiled import Ints, Reals

__all__ = ["Rates"]


class Rates:
    """Answers with the device model's own rates, remembered as `FluidUnit` does: by set, as first asked for.

    Args:
        unit: An idle unit of the device model.
        links: What copies run over.
        loads: By number.
        gpus: Number of GPUs: each remembers for itself.
        ints: Has the question.
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

    def of_lanes(self, count: int) -> None:
        """Put the rates of the first `count` lanes at `ASKED_AT` at `ANSWER_AT`."""
        assert isinstance(self._links, Fabric)  # noqa: S101 (kernels ask where links are shared)
        self._answer[:count] = self._links.solve(tuple(self._asked[:count].tolist()))

    def of_loads(self, gpu: int, count: int) -> None:
        """Do the same with the loads on a GPU."""
        self._answer[:count] = self._of_loads(gpu, self._asked[:count].tolist())

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
