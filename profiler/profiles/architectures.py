"""Published figures of the model architectures, and what follows from them, for the scripts in this folder.

Sources:
    Multiply-adds, sizes of the convolutions' outputs: huggingface/pytorch-image-models (Apache-2.0),
        results/benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv, columns infer_gmacs and infer_macts.
    Parameters of image models: torchvision's documentation of pretrained weights (num_params).
    BERT-large, DistilBERT: counted from their published shapes by `transformer`.
    Kernel counts: rows of eth-easl/orion's kernel profiles (MIT, aded65d) where there is one, else counted from the
        layers, as said beside each figure.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOAT_BYTES = 4
IMAGE_BYTES = 3 * 224 * 224 * FLOAT_BYTES
CLASSES_BYTES = 1000 * FLOAT_BYTES

FLOPS_SOURCE = (
    "figures of huggingface/pytorch-image-models results/benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv "
    "(multiply-adds, activations), transformers counted from their shapes"
)


@dataclass(frozen=True)
class Architecture:
    """One model at the input size it was measured with.

    Args:
        macs: Multiply-adds of one inference.
        activations: Values that its convolutions and matrix products write in one inference.
        parameters: Number of weights.
        eager_kernels: Kernels per inference in eager PyTorch.
        fused_kernels: Kernels per inference after TensorRT's usual fusions; None where no profile needs it.
    """

    macs: float
    activations: float
    parameters: int
    eager_kernels: int
    fused_kernels: int | None = None

    def features(self, batch: int, latency_s: float, peak_flops: float, peak_bytes_per_s: float) -> tuple[float, float]:
        """Return the mean (compute, memory) intensity as fractions of the device's peak, at most 1.

        Two operations per multiply-add. Memory traffic counts each weight once per batch and each activation twice
        (written, read): a lower bound, as element-wise layers that are not fused move more.
        """
        flops = 2 * self.macs * batch
        moved = FLOAT_BYTES * (self.parameters + 2 * self.activations * batch)
        return (
            round(min(1.0, flops / (latency_s * peak_flops)), 4),
            round(min(1.0, moved / (latency_s * peak_bytes_per_s)), 4),
        )


def transformer(
    layers: int, width: int, heads: int, tokens: int, parameters: int, eager: int, fused: int | None = None
) -> Architecture:
    """Return an encoder with feed-forward width 4 x `width`."""
    macs = layers * (12 * width**2 * tokens + 2 * tokens**2 * width)
    activations = layers * (10 * width * tokens + heads * tokens**2)
    return Architecture(macs, activations, parameters, eager, fused)


def dense_layers(count: int) -> int:
    """Return DenseNet's eager kernels: 7 per dense layer (cat, twice bn + relu + conv), 24 elsewhere."""
    return 7 * count + 24


# The multiply-adds and activations of Inception-v3 are published at 299 x 299; both sources measured it at 224 x 224.
_SMALLER = (224 / 299) ** 2

ARCHITECTURES = {
    # Published shape of BERT-large, 128 tokens, two-class head. Kernels: 572 rows of bert_2_fwd_new.csv.
    "bert": transformer(24, 1024, 16, 128, parameters=335_143_938, eager=572),
    "densenet121": Architecture(2.87e9, 6.90e6, 7_978_856, dense_layers(58)),
    "densenet169": Architecture(3.40e9, 7.30e6, 14_149_480, dense_layers(82)),
    # Fused: 200 convolutions, 1 dense, 5 poolings, 102 scales that follow a concatenation.
    "densenet201": Architecture(4.34e9, 7.85e6, 20_013_928, dense_layers(98), 308),
    # 6 layers of 9 fused kernels, 3 for the embedding; 25 tokens, the longer of the source's two inputs.
    "distilbert": transformer(6, 768, 12, 25, parameters=66_362_880, eager=6 * 23 + 20, fused=57),
    # Without the auxiliary head, which inference does not run. Eager: 94 x (conv, bn, relu), 14 poolings, 15 cats,
    # 1 dense. Fused: 94 convolutions, 14 poolings, 1 dense.
    "inceptionv3": Architecture(5.73e9 * _SMALLER, 8.97e6 * _SMALLER, 23_834_568, 312, 109),
    # 152 rows of mobilenetv2_4_fwd_new.csv.
    "mobilenetv2": Architecture(0.31e9, 6.68e6, 3_504_872, 152),
    # 175 rows of resnet50_4_fwd_new.csv, 345 of resnet101_4_fwd_new.csv: 10 per bottleneck block.
    "resnet50": Architecture(4.11e9, 11.11e6, 25_557_032, 175),
    "resnet101": Architecture(7.83e9, 16.23e6, 44_549_160, 345),
    # 17 blocks more than ResNet-101. Fused: 155 convolutions, 1 dense, 2 poolings.
    "resnet152": Architecture(11.56e9, 22.56e6, 60_192_808, 345 + 17 * 10, 158),
    # Per convolution conv, bias and relu; 6 poolings; 3 dense and 2 relu. Fused: 16 convolutions, 3 dense, 5 poolings.
    "vgg16": Architecture(15.47e9, 13.56e6, 138_357_544, 3 * 13 + 11),
    "vgg19": Architecture(19.63e9, 14.86e6, 143_667_240, 3 * 16 + 11, 24),
}
