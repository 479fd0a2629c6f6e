"""Runs in which batches are stopped on the way, on arrays: a loop of their own, compiled only where it is used.

What runs without preemption do as well is the room above's (`stratsim.fast`). Here is what `stratsim.engine.preemption`
does (`machine`, `slots`, `stopping`, on `unit`, with `mechanism`), what its policies decide (`deciding`), and the loop.
"""
