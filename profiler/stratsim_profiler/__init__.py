"""Room for the calibration profiler, which will measure a GPU or CPU and fit a profile. Nothing is in it yet."""
