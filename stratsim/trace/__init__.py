"""Traces: reading, completing, generating and writing them.

    trace = read_trace("requests.csv")                 # validated columns, gaps allowed
    workload = complete(trace, profile, ...)           # every gap filled for one profile

A format that stratsim does not know yet is one module in `stratsim.trace.readers` and one line in
`stratsim.trace.read.FORMATS`.
"""

from stratsim.trace.read import FORMATS, read_trace
from stratsim.trace.schema import ClientSpec, Names, OneAtATimeSpec, Trace

__all__ = ["FORMATS", "ClientSpec", "Names", "OneAtATimeSpec", "Trace", "read_trace"]
