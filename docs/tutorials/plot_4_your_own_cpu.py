"""Profile, replay and serve on your CPU
=====================================

How far is the simulator from a real device? This tutorial measures a device, simulates a run on it, makes the same run
for real, and compares the two. The device is the CPU of your laptop, so that you need no GPU; on a GPU write ``cuda:0``
for ``cpu``.

.. note::

   This page needs torch (``pip install 'stratsim[profiler]'``) and a few minutes. Where the site was built
   without torch it shows the commands, not what they print.

The commands are those of a terminal. Here a function runs them, so that the page can show what they say:
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())


def stratsim(line):
    """Run a command in the folder, and print what it says."""
    command = [sys.executable, "-c", "import sys; from stratsim.cli import main; sys.exit(main())", *line.split()]
    environment = os.environ | {"COLUMNS": "100"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    print(ran.stdout or "\n".join(ran.stderr.splitlines()[-12:]))
    if ran.returncode:
        raise RuntimeError(ran.stderr)


# %%
# **1. Measure.** ``--quick`` takes three small models and under a minute, and is rough. ``--allow-shared`` measures
# although other programs use the CPU. Leave both out, and the machine alone, for figures that matter.

stratsim("profile run --device cpu --quick --allow-shared --out my-cpu.json")

# %%
# Where there was time for pairs of models, a verdict says how well the profile predicts pairs that it was not fitted
# to; where there was not, the output says that co-location was not fitted. The profile is one file: what a scheduler
# may know (``observable``), and what only the simulated device knows (``truth``). Its last part says where each figure
# is from.

stratsim("profile show my-cpu.json --model resnet-small")

# %%
# **2. Simulate.** Two policies, at half of what the device can do one request at a time:

RUN = "--profile my-cpu.json --policy fifo,priority-edf --max-concurrency 1 --load 0.5 --limit 100"
stratsim(f"replay {RUN} --out simulated")

# %%
# Each policy has two rows, one for each class of priority; ``viol %`` is the share of requests late or dropped.
#
# **3. Serve.** The same requests, the same policy objects, by the wall clock: every batch runs its model. A run
# takes as long as its trace, here some seconds to a minute for each policy: 100 requests at half of what the device
# can do.

stratsim(f"live --device cpu {RUN} --out live")

# %%
# **4. Compare.** ``fidelity`` replays what was served. *Level 1* predicts each stage of each batch from what had
# happened before it, *level 2* lets the simulator run by itself, *level 3* asks whether policies rank alike:

stratsim("fidelity live --profile my-cpu.json")

# %%
# Do not be surprised if something fails: a quick profile of a CPU that does other things is off by a tenth, and by half
# where others want all of its cores; and one run of each policy has no noise floor. What passes and why is in
# :doc:`/explanation/fidelity`; a grid with repeats, after :doc:`calibration </explanation/calibration>`, is one command
# (:doc:`/reference/fidelity-report`). What came out on an H200 and on a CPU is in :doc:`/results/fidelity` and
# :doc:`/results/fidelity-cpu`.
