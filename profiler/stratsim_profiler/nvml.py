"""Reads an NVIDIA GPU through NVML: only questions, no settings.

NVML is imported on use. What a card does not support is None; without NVML there is a warning and no readings.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from stratsim_profiler.environment import NoProbe, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim_profiler.environment import Probe

__all__ = ["NvmlProbe", "gpu_processes", "open_nvml"]

_REASONS = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
"""Bits of nvmlClocksEventReasons, from NVML's reference."""

_PROCESS_PERIOD_S = 0.4


def gpu_processes() -> frozenset[int]:
    """Return the processes on all GPUs; empty without NVML.

    Asked before this process uses CUDA, it says which are not ours. NVML may number processes as the host does, unlike
    a container that we run in, so our own number does not tell.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        return frozenset()
    except pynvml.NVMLError:
        return frozenset()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return frozenset().union(*(_processes(pynvml, handle) for handle in handles))
    except pynvml.NVMLError:
        return frozenset()
    finally:
        pynvml.nvmlShutdown()


def open_nvml(uuid: str | None, index: int, before: frozenset[int]) -> Probe:
    """Return what reads a GPU, for a process that uses it already.

    Args:
        uuid: The GPU's UUID as CUDA has it, or None. CUDA may number GPUs unlike NVML.
        index: Its number, where the UUID is not known or not found.
        before: What `gpu_processes` returned before this process used CUDA.
    """
    try:
        import pynvml
    except ImportError:
        return NoProbe("nvidia-ml-py is not installed: clocks, power and throttling are not watched")
    try:
        pynvml.nvmlInit()
        return NvmlProbe(pynvml, _handle(pynvml, uuid, index), before)
    except pynvml.NVMLError as problem:
        return NoProbe(f"NVML cannot be used ({problem}): clocks, power and throttling are not watched")


def _handle(nvml: Any, uuid: str | None, index: int) -> Any:
    if uuid is not None:
        for name in (uuid, f"GPU-{uuid}"):
            try:
                return nvml.nvmlDeviceGetHandleByUUID(name.encode())
            except nvml.NVMLError:
                continue
    return nvml.nvmlDeviceGetHandleByIndex(index)


class NvmlProbe:
    """Reads one GPU.

    Args:
        nvml: The module `pynvml`, initialised.
        handle: NVML's handle of the GPU.
        before: The processes that were on GPUs before this one was.
    """

    def __init__(self, nvml: Any, handle: Any, before: frozenset[int]) -> None:
        self.warnings: tuple[str, ...] = ()
        self._nvml = nvml
        self._handle = handle
        now = _processes(nvml, handle)
        self._others = now & before - {os.getpid()}
        self._own = now - self._others | {os.getpid()}
        self._foreign: tuple[int, ...] = ()
        self._next_look_s = 0.0

    def facts(self) -> dict[str, Any]:
        """Return what the GPU is and how it is set."""
        nvml, handle = self._nvml, self._handle
        sm, memory = nvml.NVML_CLOCK_SM, nvml.NVML_CLOCK_MEM
        found = {
            "name": self._ask("nvmlDeviceGetName", handle),
            "uuid": self._ask("nvmlDeviceGetUUID", handle),
            "driver": self._ask("nvmlSystemGetDriverVersion"),
            "sm_mhz_max": self._ask("nvmlDeviceGetMaxClockInfo", handle, sm),
            "memory_mhz_max": self._ask("nvmlDeviceGetMaxClockInfo", handle, memory),
            "power_limit_w": self._watts("nvmlDeviceGetEnforcedPowerLimit"),
            "power_limit_default_w": self._watts("nvmlDeviceGetPowerManagementDefaultLimit"),
            "pcie_generation_max": self._ask("nvmlDeviceGetMaxPcieLinkGeneration", handle),
            "pcie_width_max": self._ask("nvmlDeviceGetMaxPcieLinkWidth", handle),
            "pcie_generation": self._ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
            "pcie_width": self._ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
            "mig": self._ask("nvmlDeviceGetMigMode", handle, then=lambda mode: bool(mode[0])),
            "mps": "CUDA_MPS_PIPE_DIRECTORY" in os.environ
            or bool(self._ask("nvmlDeviceGetMPSComputeRunningProcesses", handle)),
            "other_processes": sorted(self._others),
        }
        return {name: _text(value) for name, value in found.items()}

    def read(self) -> Reading:
        """Return the state now."""
        nvml, handle = self._nvml, self._handle
        return Reading(
            time_s=time.perf_counter(),
            sm_mhz=self._ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM),
            memory_mhz=self._ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_MEM),
            power_w=self._watts("nvmlDeviceGetPowerUsage"),
            temperature_c=self._ask("nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
            throttle=self._throttle(),
            memory_used_bytes=self._ask("nvmlDeviceGetMemoryInfo", handle, then=lambda info: int(info.used)),
            pcie_generation=self._ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
            pcie_width=self._ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
            foreign_processes=self._foreign_now(),
        )

    def close(self) -> None:
        """Let go of NVML."""
        self._nvml.nvmlShutdown()

    def _ask(self, name: str, *arguments: Any, then: Callable[[Any], Any] | None = None) -> Any:
        """Return an answer of NVML; None where this card, driver or version of nvidia-ml-py has none."""
        function = getattr(self._nvml, name, None)
        if function is None:
            return None
        try:
            value = function(*arguments)
        except self._nvml.NVMLError:
            return None
        return value if then is None else then(value)

    def _watts(self, name: str) -> float | None:
        return self._ask(name, self._handle, then=lambda milliwatts: milliwatts / 1e3)  # type: ignore[no-any-return]

    def _throttle(self) -> tuple[str, ...]:
        """Return the names of the reasons for the present clock; the call was renamed in newer versions."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons", self._handle)
        if bits is None:
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", self._handle) or 0
        return tuple(name for bit, name in _REASONS.items() if bits & bit)

    def _foreign_now(self) -> tuple[int, ...]:
        """Return the processes that are not ours; looked up now and then, as it takes NVML milliseconds."""
        if time.perf_counter() >= self._next_look_s:
            self._foreign = tuple(sorted(_processes(self._nvml, self._handle) - self._own))
            self._next_look_s = time.perf_counter() + _PROCESS_PERIOD_S
        return self._foreign


def _processes(nvml: Any, handle: Any) -> frozenset[int]:
    try:
        return frozenset(int(process.pid) for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except nvml.NVMLError:
        return frozenset()


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
