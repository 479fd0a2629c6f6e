"""Where a request's time went, and which decision made it late: what `stratsim explain` prints.

    from stratsim.explain import verdict
    from stratsim.explain.parts import read_run

    run = read_run(read_results("results/demo"), "edf")
    [verdict.explain(run, request) for request in verdict.worst(run, 3)]

`parts` cuts each latency into parts that sum to it, `attribution` says which other batches caused the wait and the
slowdown, `causes` and `verdict` name the decision that made a request late, `sentences` words an `explanation`, and
`aggregate` sums over a run.
"""
