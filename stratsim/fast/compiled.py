"""Compiles the kernels of this room where numba is installed; without it the same source runs as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from stratsim.fast.cache import cache_folder

try:
    import numba
except ImportError:  # pragma: no cover (an optional extra)
    numba = None

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Ints = NDArray[Any]
    """The whole numbers of a run (`stratsim.fast.codes`), shape (k,), int64; kernels have a `pointer`."""
    Reals = NDArray[Any]
    """Its reals, shape (l,), float64."""
    Column = NDArray[Any]
    """A column of a table, or several one after the other."""
    Ask = Callable[[int, int], None]

__all__ = ["IS_COMPILED", "compiled", "pointer"]

Kernel = TypeVar("Kernel", bound="Callable[..., Any]")

_CALLED = ("run", "decide")
"""Kernels that Python calls."""

IS_COMPILED = numba is not None and not numba.config.DISABLE_JIT
"""Whether kernels are compiled in this process. NUMBA_DISABLE_JIT=1 says no: then a debugger can step through them."""


def compiled(kernel: Kernel) -> Kernel:
    """Return `kernel`, compiled on its first call, or taken from the cache on disk.

    Never with `fastmath`: every operation rounds as in Python. Divisions by zero do not raise; kernels make none.
    """
    if not IS_COMPILED:
        return kernel
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_FOLDER)
    try:
        within = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True} if kernel.__name__ not in _CALLED else {}
        made: Kernel = numba.njit(cache=True, error_model="numpy", **within)(kernel)
    finally:
        numba.config.CACHE_DIR = before
    return made


_FOLDER = cache_folder()


def _pointer() -> Callable[[Column], Any]:
    from numba import types
    from numba.extending import intrinsic

    def pointer(_: Any, array: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.make_array(signature.args[0])(context, builder, arguments[0]).data

        return types.CPointer(array.dtype)(array), generate

    return intrinsic(pointer)  # type: ignore[no-any-return]


pointer: Callable[[Column], Any] = _pointer() if IS_COMPILED else lambda array: array
"""Where the elements of an array are: one word, where an array itself is seven and counts who holds it.

Neither its length nor its owner goes along: who calls a kernel keeps the array. Uncompiled it is the array itself.
"""
