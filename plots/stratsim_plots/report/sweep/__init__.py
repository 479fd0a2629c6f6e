"""The page of a sweep: lines with intervals over seeds, a table, the worst runs, and how to repeat each.

`cells` makes means of the runs, `sections` the parts of the page, `make` reads and writes.
"""
