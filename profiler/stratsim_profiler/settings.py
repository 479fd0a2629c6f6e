"""How the measurements are made: times, repeats and limits. They stand in the samples file's header."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Settings", "settings_for"]


@dataclass(frozen=True, slots=True)
class Settings:
    """See the fields; times are seconds.

    Args:
        settle_s: Co-location: how long all streams run before the window begins.
        window_s: Co-location: length of the common window, at least; longer where iterations are long.
        solo_settle_s: Co-location: settle time of each solo run, before and after.
        solo_window_s: Co-location: its window.
        least_iterations: Co-location: iterations that every stream must have inside the window.
        least_overlap: Co-location: share of the window in which every stream must have work in progress.
        drift: Co-location: how far the solo runs before and after may differ, as a share.
        solo_samples: Solo: least and most inferences.
        solo_noise: Solo: relative standard error of the mean at which measuring stops.
        solo_budget_s: Solo: time after which it stops anyway.
        launch_bound: Solo: host time over device time above which a cell is `launch_bound`.
        transfer_sizes: Transfers: sizes of the copies, bytes.
        transfer_repeats: Transfers: copies of each size, at most.
        transfer_budget_s: Transfers: time per size after which no more are made (three at least).
        offset_rounds: Offsets: runs per combination.
        kernel_iterations: Kernels: inferences that the profiler looks at.
        warm_s: Longest warm-up before the first cell; it ends when the clock is stable.
        patience_s: Longest wait before a cell for other processes to become quiet; on a CPU only.
        attempts: How often a cell is measured before it is given up.
        most_samples: Repetitions that are kept of one list.
        allow_shared: Whether samples are kept although other processes use the device.
    """

    settle_s: float = 0.2
    window_s: float = 1.0
    solo_settle_s: float = 0.05
    solo_window_s: float = 0.15
    least_iterations: int = 5
    least_overlap: float = 0.98
    drift: float = 0.05
    solo_samples: tuple[int, int] = (10, 200)
    solo_noise: float = 0.005
    solo_budget_s: float = 1.0
    launch_bound: float = 0.7
    transfer_sizes: tuple[int, ...] = tuple(4096 << step for step in range(0, 17, 2))
    transfer_repeats: int = 20
    transfer_budget_s: float = 0.2
    offset_rounds: int = 5
    kernel_iterations: int = 5
    warm_s: float = 20.0
    patience_s: float = 0.0
    attempts: int = 2
    most_samples: int = 250
    allow_shared: bool = False


def settings_for(kind: str, *, quick: bool = False, allow_shared: bool = False) -> Settings:
    """Return the settings of a device.

    A CPU's iterations are longer and its figures noisier: other processes come and go.

    Args:
        kind: `cuda` or `cpu`.
        quick: For a run of a minute that shows that everything works; its figures are rough.
        allow_shared: As in `Settings`.
    """
    found = Settings(allow_shared=allow_shared)
    if kind == "cpu":
        found = replace(
            found,
            settle_s=0.05,
            solo_settle_s=0.03,
            window_s=0.6,
            solo_window_s=0.25,
            drift=0.15,
            solo_samples=(8, 60),
            solo_noise=0.01,
            solo_budget_s=0.8,
            offset_rounds=3,
            transfer_sizes=tuple(4096 << step for step in range(0, 13, 2)),
            transfer_budget_s=0.1,
            warm_s=1.0,
            patience_s=5.0,
        )
    if quick:
        found = replace(
            found,
            settle_s=found.settle_s / 2,
            solo_settle_s=found.solo_settle_s / 2,
            window_s=found.window_s / 2,
            solo_window_s=found.solo_window_s / 2,
            least_iterations=3,
            solo_samples=(5, 20),
            solo_budget_s=0.3,
            transfer_sizes=found.transfer_sizes[::2],
            transfer_repeats=8,
            transfer_budget_s=0.05,
            offset_rounds=2,
            warm_s=min(5.0, found.warm_s),
            patience_s=min(2.0, found.patience_s),
        )
    return found
