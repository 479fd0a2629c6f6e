"""Logs of servers that are not ours, in the tables that the engine uses: `read_log`, then `recorded`.

    log = read_log(Path("trace.json"), Naming())
    run = recorded(log, make_spec({"policy": "triton", "profile": "my-gpu.json"}), load_profile("my-gpu.json"))

`triton` reads Triton's traces, with batches and their stages; `latencies` reads logs in which a request has a begin and
an end and nothing between: aiperf's, and a plain table. `record` makes a run of either, as `stratsim.fidelity.record`
does of a result folder, so that calibration and comparison know no formats.
"""

from stratsim.fidelity.logs.log import LEAST, Log, Naming, Stages
from stratsim.fidelity.logs.observe import observed
from stratsim.fidelity.logs.read import KINDS, read_log
from stratsim.fidelity.logs.record import recorded

__all__ = ["KINDS", "LEAST", "Log", "Naming", "Stages", "observed", "read_log", "recorded"]
