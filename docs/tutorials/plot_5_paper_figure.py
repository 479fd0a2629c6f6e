"""From a question to a paper figure
=================================

The question: batches that execute at once slow each other. Does it pay if the scheduler knows by how much, and from
which load on? Two policies that differ in nothing else can answer it: ``priority-edf`` estimates every batch as if it
were alone, ``aware-edf`` estimates it with its co-runners, by a belief that it learns from what it has served.

One run is one sample, so the answer needs several seeds. A *sweep* makes them: all combinations of the axes' values,
for every seed. Both policies meet exactly the same requests.
"""

import tempfile
from pathlib import Path

SWEEP = """
title = "Does knowing interference pay?"
description = "Hypothesis: fewer high-priority violations, the more so the higher the load."

[sweep]
seeds = [1, 2, 3, 4, 5, 6]
subject = "aware-edf"

[base]
profile = "asymmetric-six"

[arrivals]
process = "poisson"
requests = 1000

[axes]
load = [0.5, 0.7, 0.9, 1.1]
policy = ["aware-edf", "priority-edf"]
"""
folder = Path(tempfile.mkdtemp())
_ = (folder / "sweep.toml").write_text(SWEEP, encoding="utf-8")

# %%
# Write the hypothesis down before you look at a result. ``subject`` is the policy that is compared with each of the
# others; a load of 1 is the rate that the GPU can serve one request at a time. The profile ``asymmetric-six`` is
# synthetic: three models with wide kernels and three with narrow ones, so there is much to know about which model slows
# which.
#
# ``stratsim sweep run sweep.toml --out results --jobs 4`` runs it. In Python:

from stratsim.sweep import How, load_sweep, run_sweep

sweep, record = load_sweep(folder / "sweep.toml")
outcome = run_sweep(sweep, record, folder / "results", How(jobs=1))
rows = outcome.to_pandas()
rows[["load", "policy", "seed", "high_violation", "low_violation", "utilization"]].head()

# %%
# A row per run, with every figure (:doc:`/reference/metrics`). Runs that are in the folder are not made again. The
# figure, one column of a paper wide:

import stratsim.plot

LABELS = {"aware-edf": "knows interference", "priority-edf": "does not"}
axes = stratsim.plot.load(folder / "results", labels=LABELS, footer=False)
axes.figure.savefig(folder / "violations.pdf")

# %%
# Bars are 95 % t intervals over the seeds. Do not judge by whether they overlap: both policies met the same requests,
# so their *difference* is known better than either figure. At the highest load:

differences = stratsim.plot.differences(folder / "results", baseline="priority-edf", where=["load=1.1"], width="page")

# %%
# The numbers behind the figure, for the text of the paper, paired by seed and with Holm's correction for all
# comparisons that are shown:

from stratsim.sweep import summarise

found = summarise(outcome, subject="aware-edf")["differences"]
print(*found[0], sep="\n")

# %%
# ``stratsim plot results --kind load --out violations.pdf`` draws the same from the command line, and leaves the data
# behind it in ``violations.csv``. :doc:`/how-to/paper-figures` has widths, labels and styles,
# :doc:`/how-to/run-an-experiment` every field of a sweep, and :doc:`/explanation/statistics` what the intervals mean.
