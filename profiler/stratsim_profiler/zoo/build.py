"""Builds models and their inputs, and says what they are."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stratsim.errors import MissingExtraError, SpecError
from stratsim.plugins import check_allowed
from stratsim_profiler.zoo.registry import MODELS, Entry, check_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DTYPES", "Facts", "batched", "build", "facts", "tensors"]

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Built = tuple[nn.Module, tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model is, apart from its speed; the fields are those of `stratsim_profiler.samples.Model`."""

    source: str
    parameters: int
    weights_bytes: int
    bytes_in: int
    bytes_out: int
    flops: float | None


def build(name: str, device: str = "cpu") -> Built:
    """Return a model, ready for inference, and the example input of one request, both on `device`.

    Raises:
        CodeRefusedError: it is in a file that nobody allowed to be run (`stratsim.plugins.allow_code`).
        SpecError: the model is not known, or its factory does not return what it should.
        MissingExtraError: transformers is not installed.
    """
    check_name(name)
    torch.manual_seed(0)
    with torch.device(device):
        module, example = _made(name)
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    if not isinstance(module, nn.Module) or not inputs or not all(isinstance(part, Tensor) for part in inputs):
        raise SpecError(f"model {name!r}: the factory must return a torch.nn.Module and its example input tensors")
    if any(part.ndim < 1 or part.shape[0] != 1 for part in inputs):
        raise SpecError(f"model {name!r}: the first dimension of an example input is the batch and must be 1")
    return module.to(device).eval(), tuple(part.to(device) for part in inputs)


def batched(inputs: tuple[Tensor, ...], batch: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return inputs of `batch` requests; floating-point ones as `dtype`."""
    repeated = (part.expand(batch, *part.shape[1:]).clone() for part in inputs)
    return tuple(part.to(dtype) if part.is_floating_point() else part for part in repeated)


def facts(name: str, dtype: str = "fp32") -> Facts:
    """Return what a model is; nothing is computed, only shapes are followed.

    Where a model cannot be followed without data (a user's may not), it is run once.
    """
    try:
        return _facts(name, dtype, "meta")
    except (NotImplementedError, RuntimeError):
        return _facts(name, "fp32" if dtype == "fp16" else dtype, "cpu")


def tensors(value: Any) -> list[Tensor]:
    """Return all tensors in an output: nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [found for item in value for found in tensors(item)]


def _facts(name: str, dtype: str, device: str) -> Facts:
    kind = DTYPES[dtype]
    module, example = build(name, device)
    module = module.to(kind)
    inputs = batched(example, 1, kind)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        outputs = module(*inputs)
    weights = [*module.parameters(), *module.buffers()]
    return Facts(
        source=_source(name),
        parameters=sum(part.numel() for part in module.parameters()),
        weights_bytes=sum(_size(part) for part in weights),
        bytes_in=sum(_size(part) for part in inputs),
        bytes_out=sum(_size(part) for part in tensors(outputs)),
        flops=float(counter.get_total_flops()) or None,
    )


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _source(name: str) -> str:
    if name in MODELS:
        return "zoo of stratsim_profiler"
    return "transformers, default configuration" if name.startswith("transformers:") else f"user module {name}"


def _made(name: str) -> tuple[Any, Any]:
    if name in MODELS:
        return _own(MODELS[name])
    if name.startswith("transformers:"):
        return _from_config(name.partition(":")[2])
    made = _user_factory(name)()
    if not isinstance(made, tuple) or len(made) != 2:
        raise SpecError(f"model {name!r}: the factory must return a pair: the module and its example input")
    return made


def _own(entry: Entry) -> tuple[Any, Any]:
    factory = getattr(importlib.import_module(f"stratsim_profiler.zoo.{entry.module}"), entry.factory)
    module = factory(**entry.options)
    if entry.factory == "TextEncoder":
        return module, torch.randint(0, 1000, (1, *entry.inputs))
    return module, torch.randn(1, *entry.inputs)


def _user_factory(name: str) -> Callable[[], Any]:
    check_allowed("model", name)
    path, _, factory = name.rpartition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise SpecError(f"model {name!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        found: Callable[[], Any] = getattr(module, factory)
    except AttributeError:
        raise SpecError(f"model {name!r}: {path} has no {factory!r}") from None
    except Exception as problem:  # (whatever the user's file raises)
        raise SpecError(f"model {name!r}: {path} cannot be imported: {type(problem).__name__}: {problem}") from problem
    return found


def _from_config(architecture: str) -> tuple[Any, Any]:
    """Return a text model of transformers: `bert`, `gpt2`, `albert` or another of its model types."""
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError:
        raise MissingExtraError("transformers", "zoo") from None
    try:
        module = AutoModel.from_config(AutoConfig.for_model(architecture))
    except (ValueError, KeyError) as problem:
        raise SpecError(f"model 'transformers:{architecture}': {problem}") from None
    return module, torch.randint(0, 1000, (1, 128))
