"""The names of the zoo, and what they build. Importing this does not import torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_CPU", "DEFAULT_CUDA", "MODELS", "PUBLISHED_PARAMETERS", "Entry", "check_name", "names"]


class Entry(NamedTuple):
    """How a model is built.

    Args:
        module: Module of this package.
        factory: Class in it.
        options: Its arguments.
        inputs: Shape of one request's input, without the batch: three numbers are an image, one is a count of tokens.
    """

    module: str
    factory: str
    options: Mapping[str, Any]
    inputs: tuple[int, ...]


_IMAGE = (3, 224, 224)
_SMALL = (3, 64, 64)
_TEXT = (128,)

MODELS: dict[str, Entry] = {
    "resnet50": Entry("convnets", "ResNet", {}, _IMAGE),
    "resnet152": Entry("convnets", "ResNet", {"depths": (3, 8, 36, 3)}, _IMAGE),
    "vgg19": Entry("convnets", "Vgg", {}, _IMAGE),
    "mobilenetv2": Entry("convnets", "MobileNetV2", {}, _IMAGE),
    "densenet201": Entry("convnets", "DenseNet", {}, _IMAGE),
    "inceptionv3": Entry("inception", "InceptionV3", {}, (3, 299, 299)),
    "vit-b-16": Entry("encoders", "VisionTransformer", {}, _IMAGE),
    "bert-base": Entry("encoders", "TextEncoder", {}, _TEXT),
    "roberta-base": Entry("encoders", "TextEncoder", {"vocabulary": 50265, "positions": 514, "types": 1}, _TEXT),
    "distilbert": Entry("encoders", "TextEncoder", {"layers": 6, "types": 0, "pooler": False}, _TEXT),
    "yolov3-tiny-like": Entry("detector", "YoloTiny", {}, (3, 416, 416)),
    # For a CPU: a few milliseconds on one core, from bound by arithmetic to bound by memory.
    "resnet-small": Entry("convnets", "ResNet", {"depths": (2, 2, 2, 2), "width": 32, "classes": 100}, _SMALL),
    "vgg-small": Entry(
        "convnets", "Vgg", {"width": 32, "hidden": 1024, "grid": 2, "depths": (1, 1, 2, 2, 2), "classes": 100}, _SMALL
    ),
    "mobilenet-small": Entry("convnets", "MobileNetV2", {"classes": 100}, _SMALL),
    "densenet-small": Entry("convnets", "DenseNet", {"depths": (4, 8, 12), "growth": 16, "classes": 100}, _SMALL),
    "vit-small": Entry(
        "encoders",
        "VisionTransformer",
        {"layers": 4, "width": 192, "heads": 3, "image": 64, "classes": 100},
        _SMALL,
    ),
    "bert-small": Entry("encoders", "TextEncoder", {"layers": 2, "width": 256, "heads": 4}, (64,)),
    "mlp-wide": Entry("mlp", "WideMlp", {}, (2048,)),
}

PUBLISHED_PARAMETERS: dict[str, tuple[int, float, str]] = {
    "resnet50": (25_557_032, 0.0, "torchvision 0.20 documentation"),
    "resnet152": (60_192_808, 0.0, "torchvision 0.20 documentation"),
    "vgg19": (143_667_240, 0.0, "torchvision 0.20 documentation"),
    "mobilenetv2": (3_504_872, 0.0, "torchvision 0.20 documentation"),
    "densenet201": (20_013_928, 0.0, "torchvision 0.20 documentation"),
    "inceptionv3": (27_161_264 - 3_326_696, 0.0, "torchvision 0.20 documentation, less its auxiliary classifier"),
    "vit-b-16": (86_567_656, 0.0, "torchvision 0.20 documentation"),
    "bert-base": (109_482_240, 0.0, "bert-base-uncased of Hugging Face, with pooler"),
    "roberta-base": (124_645_632, 0.0, "roberta-base of Hugging Face, with pooler"),
    "distilbert": (66_362_880, 0.0, "distilbert-base-uncased of Hugging Face"),
    "yolov3-tiny-like": (8_852_366, 0.01, "YOLOv3-tiny of Ultralytics"),
}
"""Number of weights by model: as published, how far ours may be off (a share), and by whom."""

DEFAULT_CUDA = (
    "vgg19",
    "resnet152",
    "resnet50",
    "densenet201",
    "inceptionv3",
    "mobilenetv2",
    "bert-base",
    "vit-b-16",
)
DEFAULT_CPU = ("vgg-small", "resnet-small", "mobilenet-small", "bert-small", "mlp-wide")


def names() -> tuple[str, ...]:
    """Return the names of the zoo's own models."""
    return tuple(MODELS)


def check_name(name: str) -> str:
    """Return a model's name, or say what is wrong with it, without building it.

    Raises:
        SpecError: the zoo has no such model, or there is no such file.
    """
    if name in MODELS or name.startswith("transformers:"):
        return name
    path, colon, factory = name.rpartition(":")
    if not colon:
        raise SpecError(f"unknown model {name!r}; {suggest(name, MODELS)} (or path.py:factory, or transformers:NAME)")
    if not Path(path).is_file():
        raise SpecError(f"model {name!r}: no file {path}")
    if not factory.isidentifier():
        raise SpecError(f"model {name!r}: {factory!r} is not the name of a function")
    return name
