"""Definitions of every figure that stratsim reports, on plain arrays. Every module is for everybody.

Nothing here knows about requests, policies or files; docs/reference/metrics.md lists the definitions in one place.

- of one run: `deadlines`, `latency`, `fairness`, `starvation`, `occupancy`, `warmup`
- over seeds or blocks of time: `intervals`, `quantiles`, `bootstrap`, `comparison`
"""
