"""One run from its settings: `spec` says what to run, `replay` reads, completes and simulates it.

`arrivals` are open-loop processes by name; `load` says what a load means, in its named units, and `saturation` measures
one of them; `manifest` writes down what a run was made from; `oracle` tells a belief the truth, which an experiment
alone may do; `pairs` measures co-located pairs on the simulated device. For others: the public names of all of these.
"""
