"""Runs in which batches are stopped on the way, on arrays: a loop of their own, compiled only where it is used.

What runs without preemption do as well is the room above's (`stratsim.fast`). Here is what `stratsim.engine.preemption`
does (`unit`, `mechanism`, `slots`, `stopping`, `machine`), what policies see (`seeing`) and decide (`classes`, `slack`
and `earliest`, by name in `deciding`), how a batch starts (`starting`), and the loop; `setup` leads there and back.
"""
