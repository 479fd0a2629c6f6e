"""The event loop once more, on typed arrays and compiled: the same results to the byte, sooner.

`covers` says whether a run is one that it does, `run.simulate_fast` does it. All else is the reference engine's
(`stratsim.engine`), which does everything and is what this is held against (docs/decisions/0015-fast.md).

The kernels, from the bottom up: `clock` (events), `waiting` (queues), `unit` (what executes), `deciding` (what the
policy wants to know), `copying`, `slots`, `weights` and `machine` (what happens on GPUs), `arriving`, `forming`,
`starting` and `following` (what is decided), `loop` (the run). `preempt` has another loop, of runs in which batches
are stopped; `aware_edf` and the rooms `strait` and `triton` are policies that the loop asks, and `listing` takes what
they decide. Around them: `codes` and `state` (the two arrays that they work on), `columns`, `compiled` (numba, where it
is installed), `setup` (from a profile to arrays), `rates` (the device model), `run` (from arrays to a result). Nothing
here imports numba before `run` is imported.
"""

from stratsim.fast.coverage import covers

__all__ = ["covers"]
