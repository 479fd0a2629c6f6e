"""The policy `triton` on the arrays of a run: what the compiled loop asks where instances take batches.

The modules are those of `stratsim.policy.triton`, which say why; here is what they do, in the same order. From the
bottom up: `codes` (the names of places), `lists`, `levels` and `batcher` (a model's queue, and batches taken from it),
`policy` (what is decided); then `setup` (from a policy to arrays).
"""
