"""Definitions of every figure that stratsim reports, on plain arrays.

Nothing here knows about requests, policies or files; docs/metrics.md lists the definitions in one place.
"""
