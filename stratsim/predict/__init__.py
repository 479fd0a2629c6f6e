"""Beliefs of schedulers about durations. Empty so far: queueing policies use solo latencies."""
