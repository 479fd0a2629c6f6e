"""Fits contention models to measured co-locations, says which parameters they determine, and judges them on others.

Fitting takes cells (`stratsim.fit.cells`): who ran together, and how much slower than alone. Where they come from, a
profile's pairs or the profiler's raw samples, makes no difference.
"""
