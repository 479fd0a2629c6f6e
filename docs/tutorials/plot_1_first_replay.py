"""Your first replay
=================

A GPU inference server gets requests for several models. Each has a deadline; some have high priority. Which of them are
late depends on the order in which the server takes them: on its scheduling *policy*. Let us try two.

``simulate`` takes a trace, a profile of the hardware and policies, all by name. The bundled trace is synthetic; the
profile is an NVIDIA A100, from published measurements. A load of 0.9 is 90 % of what it does one by one.
"""

from stratsim import simulate

runs = simulate("default", "a100-80gb-parvagpu", "fifo,priority-edf", load=0.9, limit=4000)
runs

# %%
# The table says how many requests of each class arrived, were late and were dropped. Percentiles are of *all* requests
# that arrived: where more were dropped than a percentile leaves out, there is none, and it says ``dropped``.
#
# ``fifo`` takes requests as they come. ``priority-edf`` takes high priority first, and the earliest deadline within a
# class. Both met the same requests. What was filled in because the trace lacks it (deadlines, say) is below the table.
#
# Every request is a row:

requests = runs.to_pandas()
requests[["policy", "model", "priority", "arrival_s", "deadline_s", "latency_s", "status"]].head()

# %%
# So any question is a line of pandas. Which models miss their deadlines?

violated = requests["status"] != "met"
(100 * violated.groupby([requests["policy"], requests["model"]], observed=True).mean()).unstack("policy").round(1)

# %%
# And how are latencies distributed? The tail is what deadlines are about:

import matplotlib.pyplot as plt
import numpy as np

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for policy, own in requests.groupby("policy", observed=True):
    latencies = (1e3 * own["latency_s"].fillna(float("inf"))).sort_values()
    axes.step(latencies, 1 - np.arange(1, len(latencies) + 1) / len(latencies), where="post", label=policy)
axes.set(xlabel="Latency (ms)", ylabel="Requests slower, or not answered", yscale="log", xscale="log")
axes.legend()

# %%
# One run is one sample: with another seed the numbers differ. :doc:`/how-to/compare-policies` says how to compare with
# intervals, and the next tutorial how to bring requests of your own.
