"""The frozen types that all stages share: requests, workloads, profiles, clusters.

Time and sizes are SI floats or integer bytes, with the unit in the name.
"""
