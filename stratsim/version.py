"""The version of stratsim: here, so that whoever writes it into files need not import the public face."""

__all__ = ["__version__"]

__version__ = "0.1.0"
