"""On a real GPU, where there is one: what the other tests show with a simulated CUDA.

Run on an NVIDIA H200 in the form of a script, whose figures are in docs/results/fidelity.md.
"""

import random
from statistics import median

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

from stratsim.model.server import Stage, Work  # noqa: E402
from stratsim_profiler.device import open_device, works  # noqa: E402
from stratsim_profiler.device.base import Inference  # noqa: E402
from stratsim_profiler.zoo.build import DTYPES, batched, tensors  # noqa: E402

MODELS, SIZES, VARIANTS = ("resnet50", "bert-base"), (1, 4), 3


def test_two_copies_of_a_model_slow_each_other_and_kernels_of_graphs_are_counted():
    device = open_device("cuda:0")
    try:
        lanes = [device.open(Inference("resnet50", 8, "fp16", "graph"), slot) for slot in (0, 1)]
        alone = median(span.seconds for span in device.backlog(lanes[:1], 0.3)[0])
        both = [median(span.seconds for span in spans) for spans in device.backlog(lanes, 0.3)]
        assert device.kernels(lanes[0], 3).count > 100
    finally:
        device.shutdown()
    for beside in both:
        assert 1.05 < beside / alone < 2.2


@pytest.fixture(scope="module")
def served():
    """Serve 60 batches of random models, sizes and inputs on two slots; return what is to be compared."""
    from stratsim_profiler.serve.cuda import CudaServer
    from stratsim_profiler.serve.cuda_models import pinned

    expected, sources, work = references(pinned)
    room = max(one.bytes_in for one in work.values()), max(one.bytes_out for one in work.values())
    server = CudaServer(0, slots=2, places=3, max_bytes_in=room[0], max_bytes_out=room[1], dtype="fp16")
    try:
        server.load(dict.fromkeys(MODELS, SIZES))
        server.start()
        draw, chosen, got, stages = random.Random(2), {}, {}, {}
        server.on_output = lambda number, out: got.__setitem__(number, out.clone())
        held = 0
        while len(got) < 60:
            while held < 3 and len(chosen) < 60:
                key, which = draw.choice(sorted(work)), draw.randrange(VARIANTS)
                server.sources[key] = sources[key][which]
                server.submit(len(chosen), work[key])
                chosen[len(chosen)] = key, which
                held += 1
            for seen in server.poll():
                stages.setdefault(seen.batch, []).append((seen.stage, seen.time_s))
                held -= seen.stage is Stage.EXECUTION_END
    finally:
        server.close()
    return expected, chosen, got, stages


def references(pinned):
    """Return outputs of eager modules on random inputs, those inputs as the server takes them, and the work."""
    torch.manual_seed(1)
    expected, sources, work = {}, {}, {}
    for model in MODELS:
        module, example = works.ready(model, "fp16", "cuda:0")
        for size in SIZES:
            for which in range(VARIANTS):
                inputs = tuple(drawn(part, which) for part in batched(example, size, DTYPES["fp16"]))
                with torch.inference_mode():
                    (output,) = tensors(module(*inputs))
                raw = torch.cat([part.contiguous().view(-1).view(torch.uint8) for part in inputs]).cpu()
                source = pinned(3 * 224 * 224 * 2 * max(SIZES))
                source[: raw.numel()] = raw
                sources.setdefault((model, size), []).append(source)
                expected.setdefault((model, size), []).append(output.float().cpu())
                work[model, size] = Work(model, size, raw.numel(), output.numel() * output.element_size())
    return expected, sources, work


def drawn(part, which):
    """Images of a random network give outputs that are alike: variants differ in contrast too."""
    if not part.is_floating_point():
        return torch.randint_like(part, 0, 30000)
    return torch.randn_like(part) * (2 + 8 * which)


def test_outputs_are_those_of_the_model_on_the_batch_s_own_inputs(served):
    expected, chosen, got, _ = served
    for number, (key, which) in chosen.items():
        candidates = expected[key]
        raw = got[number][: candidates[0].numel() * 2].view(torch.float16).view(candidates[0].shape).float()
        gaps = [float((raw - other).abs().max()) for other in candidates]
        assert gaps[which] == min(gaps)
        assert gaps[which] < 0.25 * min(gap for at, gap in enumerate(gaps) if at != which)


def test_every_batch_goes_through_all_stages_in_order(served):
    _, chosen, _, stages = served
    assert set(stages) == set(chosen)
    for row in stages.values():
        assert [stage for stage, _ in row] == list(Stage)
        times = [time_s for _, time_s in row]
        assert times == sorted(times)
