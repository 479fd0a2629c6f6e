"""One run: a trace through one or more policies, from its settings to checked results and a summary.

    from stratsim.run.inputs import prepare
    from stratsim.run.replay import replay
    from stratsim.run.spec import make_spec

    outcome = replay(prepare(make_spec({"policy": "fifo,edf"})))

`spec` holds the settings, `inputs` reads and completes, `replay` simulates, `outcome` is what came of it, `manifest`
records what is needed to repeat it.
`arrivals` are open-loop processes by name; `load` says what a load means, in its named units, and `saturation` measures
one of these; `pairs` co-locates models on the simulated device, and `oracle` gives a predictor the truth, which only an
experiment may do. For others: the public names of all of these.
"""
