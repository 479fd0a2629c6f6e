"""Known answers that come with inputs of their own: figures of published systems, as plain data.

Coefficients and figures are quoted with their source; no file of those systems is part of stratsim.
"""
