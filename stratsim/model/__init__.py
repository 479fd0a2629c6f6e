"""The frozen types that all stages share: requests, workloads, profiles, clusters. Every module is for everybody.

Time and sizes are SI floats or integer bytes, with the unit in the name.

- what runs: `request`, `workload`, `server` (what a real device can do)
- the device: `profile` with its `parts`, `provenance` and, for the simulated hardware alone, `truth` (`contention`,
  `kernel_queue`, `igniter`); `preemption`
- the machine around it: `cluster`, `topology`, `groups`
- files: `codec` and `toml` read, `write` writes a file whole or not at all
- figures: `interpolate`, `tolerance`, `compare` (of two profiles), `frozen` (set-up kept between runs)
"""
