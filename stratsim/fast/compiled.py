"""Compiles the kernels of this room where numba is installed; without it the same source runs as it stands."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from stratsim.fast.cache import cache_folder

try:
    import numba
except ImportError:  # pragma: no cover (an optional extra)
    numba = None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Ints = NDArray[Any]
    """The whole numbers of a run (`stratsim.fast.codes`), shape (k,), int64; kernels have a `pointer`."""
    Reals = NDArray[Any]
    """Its reals, shape (l,), float64."""
    Column = NDArray[Any]
    """A column of a table, or several one after the other."""
    Ask = Callable[[int, int], None]

__all__ = [
    "IS_COMPILED",
    "at_bytes",
    "at_ints",
    "at_reals",
    "at_words",
    "compiled",
    "entered",
    "is_entered",
    "native",
    "pointer",
]

Kernel = TypeVar("Kernel", bound="Callable[..., Any]")

_CALLED = ("run",)
"""Kernels that Python calls, beside those that are `entered`."""

IS_COMPILED = numba is not None and not numba.config.DISABLE_JIT
"""Whether kernels are compiled in this process. NUMBA_DISABLE_JIT=1 says no: then a debugger can step through them."""


def compiled(kernel: Kernel) -> Kernel:
    """Return `kernel`, compiled on its first call, or, if Python calls it, taken from the cache on disk.

    Never with `fastmath`: every operation rounds as in Python. Divisions by zero do not raise; kernels make none.
    """
    if not IS_COMPILED:
        return kernel
    if kernel.__name__ not in _CALLED:  # it is within those that are called: no machine code of its own
        helper: Kernel = numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(kernel)
        return helper
    with _in_folder(kernel):
        made: Kernel = numba.njit(cache=True, error_model="numpy")(kernel)
    return made


@contextmanager
def _in_folder(kernel: Callable[..., Any]) -> Iterator[None]:
    """Have numba keep what is compiled in the folder of a kernel's module."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder(kernel.__module__))
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def _pointer() -> Callable[[Column], Any]:
    from numba import types
    from numba.extending import intrinsic

    def pointer(_: Any, array: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.make_array(signature.args[0])(context, builder, arguments[0]).data

        return types.CPointer(array.dtype)(array), generate

    return intrinsic(pointer)  # type: ignore[no-any-return]


def _located(name: str) -> Callable[[int], Any]:
    from numba import types
    from numba.extending import intrinsic

    def located(_: Any, address: Any) -> Any:  # noqa: ARG001 (numba calls it by name)
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(getattr(types, name))(types.int64), generate

    return intrinsic(located)  # type: ignore[no-any-return]


pointer: Callable[[Column], Any] = _pointer() if IS_COMPILED else lambda array: array
"""Where the elements of an array are: one word, where an array itself is seven and counts who holds it.

Neither its length nor its owner goes along: who calls a kernel keeps the array. Uncompiled it is the array itself.
"""

at_ints, at_reals, at_words, at_bytes = [
    _located(name) if IS_COMPILED else (lambda address: address) for name in ("int64", "float64", "int32", "int8")
]
"""The numbers at an address, by what they are."""


_FUNCTION = ctypes.PYFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)


@lru_cache
def native() -> Any:
    """Return the class of functions of two whole numbers that kernels can be given, and call, and be cached for all."""
    import numba.experimental.function_type  # noqa: F401 (registers the protocol below)
    from numba import types

    class Native(types.WrapperAddressProtocol):  # type: ignore[misc]
        """A C function, a first-class one to numba, and one that Python can call; `keeps` lives as long."""

        def __init__(self, address: int, keeps: object) -> None:
            self.address, self.keeps, self.call = address, keeps, _FUNCTION(address)

        def __wrapper_address__(self) -> int:
            return self.address

        def signature(self) -> Any:
            return types.void(types.int64, types.int64)

    return Native


@lru_cache
def entered(kernel: Callable[[int, int], None]) -> Any:
    """Return a kernel compiled as such a function."""
    with _in_folder(kernel):
        made = numba.cfunc("void(int64, int64)", cache=True, error_model="numpy")(kernel)
    _ENTERED.add(f"{kernel.__module__}.{kernel.__name__}")
    return native()(made.address, made)


_ENTERED: set[str] = set()


def is_entered(kernel: str) -> bool:
    """Whether this process has such a function of a kernel, named by its module within this room and its own name."""
    return not IS_COMPILED or f"{__package__}.{kernel}" in _ENTERED
