"""Models to measure, built offline with random weights: inference time does not depend on what the weights are.

A factory returns a module and its example input for one request: a tensor or a tuple of tensors whose first dimension
is the batch, of size 1. Floating-point inputs are converted to the run's dtype, integers are left as they are. A user's
own model is `path/to/file.py:factory` with such a factory; `transformers:NAME` builds an architecture of the
transformers package from its default configuration.
"""

from __future__ import annotations

from stratsim_profiler.zoo.registry import DEFAULT_CPU, DEFAULT_CUDA, PUBLISHED_PARAMETERS, check_name, names

__all__ = ["DEFAULT_CPU", "DEFAULT_CUDA", "PUBLISHED_PARAMETERS", "check_name", "names"]
