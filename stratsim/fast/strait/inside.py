"""`strait`, or `aware-edf`, inside the compiled loop: its arrays, and room in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from stratsim.fast import codes as run_codes
from stratsim.fast.compiled import IS_COMPILED, entered
from stratsim.fast.strait import codes
from stratsim.fast.strait.setup import set_up
from stratsim.fast.strait.state import add_requests, lengthen_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stratsim.fast.compiled import Ask
    from stratsim.policy.aware_edf import AwareEdf
    from stratsim.policy.base import Setting
    from stratsim.policy.strait import Strait

__all__ = ["Inside"]


class Inside:
    """A compiled policy that the compiled loop asks, and that asks Python for nothing but room and random numbers.

    Args:
        policy: `strait` or `aware-edf`. Its beliefs are fitted; what is learned is not handed back to them.
        setting: The run's.
        entry: What decides, of an address (`stratsim.fast.strait.mail`).
        decide: The same, of arrays.
    """

    def __init__(
        self,
        policy: Strait | AwareEdf,
        setting: Setting,
        entry: Callable[[int, int], None],
        decide: Callable[..., None],
    ) -> None:
        self._entry, self._decide = entry, decide
        names = sorted(setting.profile.models)
        self.number = {name: number for number, name in enumerate(names)}
        """Of a model, by its name."""
        self._refresh = policy._refresh
        self._random = setting.streams.get("explore")
        self._state = set_up(policy, setting, names)
        self._blocks = 0
        self._run: Sequence[NDArray[Any]] = ()
        self._where = np.zeros(3 + 9, np.int64)

    expects: ClassVar[bool] = True
    """Whether it says when batches should be done."""

    @property
    def is_exact(self) -> bool:
        """Whether everything has fitted so far."""
        return not self._state.ints[codes.FULL]

    def tie(self, run: Sequence[NDArray[Any]]) -> None:
        """Take the arrays of the run: its two, its columns but the factors, and its times."""
        self._run = run
        run[0][run_codes.ADDRESS] = self._where.ctypes.data
        self._note()

    def _note(self) -> None:
        """Note where the arrays are."""
        self._where[:] = [array.ctypes.data for array in (*self._state, *self._run)]

    def callback(self) -> Ask:
        """Return what kernels call to have decided."""
        if IS_COMPILED:
            return entered(self._entry)  # type: ignore[no-any-return]
        return lambda _, __: self._decide(self._state, *self._run)

    def make_room(self, requests: int) -> None:
        """Make room for so many requests that the policy has not been told of, and for what else was lacking."""
        run, ints, reals = self._run[0], self._state.ints, self._state.reals
        first, drawn, draws = (int(ints[place]) for place in (codes.DRAW_AT, codes.DRAWN, codes.DRAWS))
        if drawn * 2 >= draws:
            reals[first : first + draws - drawn] = reals[first + drawn : first + draws]
            reals[first + draws - drawn : first + draws] = self._random.random(drawn)
            ints[codes.DRAWN] = 0
        while run[run_codes.BLOCKS] < requests:
            self._state, blocks = add_requests(self._state, self._blocks)
            self._blocks += len(blocks)
            following = np.array([*blocks[1:], run[run_codes.BLOCK]])
            self._state.ints[np.array(blocks) + codes.NEXT] = following
            run[run_codes.BLOCK] = blocks[0]
            run[run_codes.BLOCKS] += len(blocks)
        ints = self._state.ints
        if ints[codes.UPDATED] and ints[codes.FULLEST_LOG] * 2 >= ints[codes.LOG_ROWS]:
            self._state = lengthen_logs(self._state, self._refresh)
        self._note()
