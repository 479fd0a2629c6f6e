"""The measurements, a module per kind of cell: each takes a bench and a cell of the plan and returns its records.

`bench` holds what all of them need; `solo`, `transfers`, `colocation` and `offsets` measure;
`stratsim_profiler.campaign` calls them.
"""
