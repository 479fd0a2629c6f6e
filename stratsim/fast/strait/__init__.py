"""The policy `strait` on typed arrays and compiled: the same decisions, sooner.

The modules are those of `stratsim.policy.strait`, which say why; here is what they do, in the same order, to the last
bit. From the bottom up: `codes` (the names of places), `lists`, `pairs`, `least_squares`, `belief` and `caution` (what
co-located batches do to each other), `forecast`, `queues`, `newcomers`, `gpus` (which of them hold how many batches),
`margins`, `pending_copies`, `estimates`, `guard`, `harm`, `high`, `low`, `deciding`; then `state`, `beliefs` and
`setup` (from a profile to arrays), `telling`, `mail` and `inside` (in the compiled loop), and `policy` (a policy as
the SimPy loop and a live run know it). `stratsim.fast.aware_edf` shares its estimates.
"""
