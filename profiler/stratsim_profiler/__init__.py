"""The calibration profiler: measures a real GPU (or CPU) and fits a profile."""
