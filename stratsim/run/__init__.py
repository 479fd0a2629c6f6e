"""One run from its settings: `spec` says what to run, `replay` reads, completes and simulates it.

`manifest` writes down what a run was made from; `saturation` finds the rate that load 1.0 stands for; `oracle` tells a
belief the truth, which only an experiment may do; `pairs` measures co-located pairs on the simulated device.
"""
