"""Your own trace
==============

A trace says when requests arrive, and whatever else is known of them: model, priority, deadline, sizes. What it lacks
is filled in by a rule, and a note says so. Any table will do: a file, or a data frame.

Here is a log as a server might write it, in its own words: milliseconds since the start, the name of a network, and
whether a customer pays.
"""

import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
log = pd.DataFrame(
    {
        "submit_ms": np.sort(rng.uniform(0, 6_000, 3000)).round(3),
        "net": rng.choice(["resnet50", "bert", "densenet121"], 3000, p=[0.6, 0.1, 0.3]),
        "paying": rng.random(3000) < 0.3,
    }
)
log.head()

# %%
# stratsim's own columns are ``arrival_s``, ``model`` and ``priority`` (:doc:`/reference/traces` has all of them). Units
# are in the names: nothing is guessed from the size of a number.

trace = pd.DataFrame(
    {
        "arrival_s": log["submit_ms"] / 1000,
        "model": log["net"],
        "priority": np.where(log["paying"], "high", "low"),
    }
)

# %%
# (A *file* in foreign words needs no such step: ``stratsim replay log.csv --column arrival=submit_ms:ms --column
# model=net`` says the same on the command line.)
#
# Models must be ones that the profile has measured. Which are there?

from stratsim import load_profile, simulate

profile = load_profile("a100-80gb-parvagpu")
sorted(profile.observable.models)

# %%
# Replay it at the rate at which it came, and at twice that rate:

for factor in (1, 2):
    runs = simulate(trace, profile, "fifo,edf,priority-edf", rate_scale=factor)
    requests = runs.to_pandas()
    late = 100 * (requests["status"] != "met").groupby([requests["policy"], requests["priority"]], observed=True).mean()
    print(f"rate x {factor}: violations in %")
    print(late.unstack("priority").round(2), "\n")

# %%
# The trace had no deadlines, so that a rule gave every request one of its model's solo latency, times a factor. Your
# own rule is a few lines of TOML: :doc:`/reference/traces`.
