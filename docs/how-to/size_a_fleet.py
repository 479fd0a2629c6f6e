"""Writes the files of the page "How many GPUs", made up in the place of yours.

metrics-model-inference.csv   Triton Model Analyzer: twelve models alone, at batches of 1 to 8
profile_export.jsonl          aiperf: when 4000 requests were sent, 900 a second on average
models/NAME/config.pbtxt      how Triton serves them today
mix.toml                      which models are asked for, requests per second, and which requests are urgent
"""

import json
import random
from pathlib import Path

ALONE_MS = {
    "densenet121": 6.2, "densenet169": 8.1, "inceptionv3": 5.4, "mobilenetv2": 2.6, "resnet101": 5.2, "resnet152": 7.4,
    "resnet50": 2.9, "vgg16": 2.4, "vgg19": 2.8, "bert-base": 6.0, "efficientnet-b0": 4.1, "yolov5s": 5.0,
}  # fmt: skip
GROWTH = {1: 1.0, 2: 1.15, 4: 1.5, 8: 2.3}
"""How much longer a batch takes than a request."""
PER_S = {"resnet50": 250, "mobilenetv2": 200, "bert-base": 100, "vgg16": 80, "vgg19": 60, "yolov5s": 60}
OTHERS_PER_S = 25
CONFIG = """name: "{name}"
backend: "onnxruntime"
max_batch_size: 8
input {{ name: "x" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }}
dynamic_batching {{ max_queue_delay_microseconds: 5000 }}
instance_group {{ count: 1 kind: KIND_GPU }}
"""
RULE = """[priority]
high_share = 0.3

[slo]
high_ms = 50
low_ms = 150

[models.mix]
"""
COLUMNS = (
    "Model,Batch,Concurrency,Instance Group,Throughput (infer/sec),Server Queue time (ms),"
    "Server Compute Input time (ms),Server Compute Infer time (ms),Server Compute Output time (ms)\n"
)


def main() -> None:
    """Write them."""
    rows = [
        f"{name},{batch},1,1:GPU,{1e3 * batch / (alone * growth):.1f},0,0.1,{alone * growth:.2f},0.1\n"
        for name, alone in ALONE_MS.items()
        for batch, growth in GROWTH.items()
    ]
    Path("metrics-model-inference.csv").write_text(COLUMNS + "".join(rows), encoding="utf-8")
    mix = "".join(f"{name} = {PER_S.get(name, OTHERS_PER_S)}\n" for name in ALONE_MS)
    Path("mix.toml").write_text(
        f"[priority]\nhigh_share = 0.3\n\n[slo]\nhigh_ms = 50\nlow_ms = 150\n\n[models.mix]\n{mix}", encoding="utf-8"
    )
    draw, at_ns, lines = random.Random(1), 1_700_000_000 * 10**9, []
    for number in range(4000):
        at_ns += round(draw.expovariate(900) * 1e9)
        metadata = {"request_start_ns": at_ns, "request_end_ns": at_ns + 10**7, "session_num": number,
                    "benchmark_phase": "profiling", "was_cancelled": False}  # fmt: skip
        lines.append(json.dumps({"metadata": metadata, "metrics": {}, "error": None}) + "\n")
    Path("profile_export.jsonl").write_text("".join(lines), encoding="utf-8")
    for name in ALONE_MS:
        folder = Path("models") / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.pbtxt").write_text(CONFIG.format(name=name), encoding="utf-8")


if __name__ == "__main__":
    main()
