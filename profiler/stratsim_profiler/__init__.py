"""Measures a GPU, or a CPU, and fits the profile that the simulator replays with.

    samples.py, store.py   the raw samples file: one JSON object per line, resumable
    device/                streams, events, copies and clock: one interface, on CUDA and on CPU processes
    environment.py         the state of the card, through NVML
    zoo/                   models in plain torch.nn with random weights
    plan.py                which cells to measure in a time budget
    measure/               transfers, solo, kernels, co-location, offsets
    fit/                   from samples to a profile

Only `device`, `zoo` and `measure` import torch, and only when they are used.
"""
