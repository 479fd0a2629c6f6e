"""One reader per format. A reader takes a `Source` and returns a `Trace`; it names itself in `stratsim.trace.read`."""
