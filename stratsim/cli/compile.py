"""`stratsim compile`."""

from __future__ import annotations

import click

from stratsim.cli.text import echo

__all__ = ["compile"]

_EXAMPLES = """\b
Examples:
  stratsim compile --list
  stratsim compile
"""


@click.command("compile", epilog=_EXAMPLES)
@click.option("--list", "only_list", is_flag=True, help="Say what this machine has compiled, and compile nothing.")
def compile(*, only_list: bool) -> None:  # noqa: A001
    """Compile the fast engine, once per machine and version: minutes.

    Results are the same without. Once it is compiled, `--engine auto` takes it for runs from some ten thousand requests
    on, in sweeps as well. It needs numba: pip install 'stratsim[fast]'.
    """
    import time

    from stratsim.fast.cache import is_filled
    from stratsim.run.kernels import KERNELS, compile_kernel

    for kernel, policies in KERNELS.items():
        had = is_filled(kernel)
        said = "compiled" if had else "not compiled"
        if not only_list:
            began = time.perf_counter()
            compile_kernel(kernel)
            said = f"{'was compiled, loaded' if had else 'compiled'} in {time.perf_counter() - began:.0f} s"
        echo(f"{', '.join(policies)}: {said}")
