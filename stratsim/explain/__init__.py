"""Where a request's time went, and whose fault it was: what `stratsim explain` prints.

`parts` cuts each latency into parts that sum to it, `attribution` says which other work a wait was for, `causes` and
`verdict` name what decided a request's fate, `sentences` puts it into words, `aggregate` sums over a run.
"""
