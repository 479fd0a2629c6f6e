"""Traces: reading, completing, generating and writing them.

    trace = read_trace("requests.csv")                 # validated columns, gaps allowed
    workload = complete(trace, profile, ...)           # every gap filled for one profile

A format that stratsim does not know yet is one function from `Source` to `Trace` (`stratsim.trace.registry`,
docs/how-to/add-a-trace-reader.md).
"""

from stratsim.trace.read import read_trace
from stratsim.trace.registry import formats, reader
from stratsim.trace.schema import ClientSpec, Names, OneAtATimeSpec, Trace

__all__ = ["ClientSpec", "Names", "OneAtATimeSpec", "Trace", "formats", "read_trace", "reader"]
