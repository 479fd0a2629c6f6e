"""From a run specification to results: reading what it names, running it, and what is needed to repeat it."""
