"""Tables: named columns out of any container. Nothing here knows of trace formats, and nothing else of containers."""
