"""The zoo: published sizes, shapes, user modules."""

import sys

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.errors import MissingExtraError, SpecError  # noqa: E402
from stratsim_profiler.zoo import PUBLISHED_PARAMETERS, names  # noqa: E402
from stratsim_profiler.zoo.build import DTYPES, batched, build, facts  # noqa: E402

SMALL = (*(name for name in names() if name.endswith("-small")), "mlp-wide")


@pytest.fixture(autouse=True)
def _typed(monkeypatch):
    """Let every file be imported, as if a user had typed its name."""
    monkeypatch.setattr("stratsim_profiler.zoo.build.check_allowed", lambda *_: None)


@pytest.fixture(scope="module")
def on_meta():
    """Facts by model; shapes only, nothing is computed."""
    return {name: facts(name) for name in names()}


@pytest.mark.parametrize("name", sorted(PUBLISHED_PARAMETERS))
def test_parameters_are_the_published_number(on_meta, name):
    published, tolerance, _ = PUBLISHED_PARAMETERS[name]
    assert on_meta[name].parameters == pytest.approx(published, rel=tolerance, abs=0)


# Multiply-accumulates in 1e9, two operations each: torchvision's documentation for images; for the encoders
# 12 layers of 24 * 128 * 768^2 + 4 * 128^2 * 768, and the pooler.
@pytest.mark.parametrize(
    ("name", "gmacs", "tolerance"),
    [
        ("resnet50", 4.09, 0.01),
        ("resnet152", 11.51, 0.01),
        ("vgg19", 19.63, 0.01),
        ("mobilenetv2", 0.30, 0.02),
        ("densenet201", 4.29, 0.01),
        ("inceptionv3", 5.71, 0.01),
        ("vit-b-16", 17.56, 0.01),
        ("bert-base", 11.17, 0.01),
    ],
)
def test_operations_are_the_published_number(on_meta, name, gmacs, tolerance):
    assert on_meta[name].flops == pytest.approx(2e9 * gmacs, rel=tolerance)


def test_bytes_follow_from_shapes(on_meta):
    assert on_meta["resnet50"].bytes_in == 3 * 224 * 224 * 4
    assert on_meta["resnet50"].bytes_out == 1000 * 4
    assert on_meta["bert-base"].bytes_in == 128 * 8  # token numbers are 8 bytes each
    assert on_meta["yolov3-tiny-like"].bytes_out == (13 * 13 + 26 * 26) * 255 * 4  # two scales


def test_half_precision_halves_what_is_floating_point():
    full, half = facts("resnet50"), facts("resnet50", "fp16")
    assert half.bytes_in == full.bytes_in / 2
    assert half.parameters == full.parameters
    assert half.weights_bytes < 0.51 * full.weights_bytes
    assert facts("bert-base", "fp16").bytes_in == facts("bert-base").bytes_in


@pytest.mark.parametrize("name", SMALL)
def test_small_models_run_and_give_finite_numbers(name):
    module, example = build(name)
    with torch.inference_mode():
        out = module(*batched(example, 2, torch.float32))
    assert out.shape[0] == 2
    assert torch.isfinite(out).all()


def test_the_batch_is_repeated_and_only_floats_are_converted():
    image, ids = torch.ones(1, 3, 4), torch.ones(1, 5, dtype=torch.int64)
    first, second = batched((image, ids), 7, torch.bfloat16)
    assert (first.shape, first.dtype) == ((7, 3, 4), torch.bfloat16)
    assert (second.shape, second.dtype) == ((7, 5), torch.int64)


def test_weights_are_the_same_every_time():
    first, second = (build("mlp-wide")[0] for _ in range(2))
    assert torch.equal(next(first.parameters()), next(second.parameters()))


def test_models_are_ready_for_inference():
    assert not build("resnet-small")[0].training


def test_the_data_types():
    assert set(DTYPES) == {"fp32", "fp16", "bf16"}


USER = """
import torch

def make():
    return torch.nn.Linear(3, 5), torch.ones(1, 3)

def several():
    class Two(torch.nn.Module):
        def forward(self, a, b):
            return {"sum": a + b, "rest": [a, None]}
    return Two(), (torch.ones(1, 4), torch.ones(1, 4))

def bare():
    return torch.nn.Linear(3, 5)

def unbatched():
    return torch.nn.Linear(3, 5), torch.ones(3)

def no_module():
    return "x", torch.ones(1, 3)

def looks_at_data():
    class Branch(torch.nn.Module):
        def forward(self, a):
            return a if bool((a > 0).all()) else a[:, :1]
    return Branch(), torch.ones(1, 4)
"""


class TestUserModules:
    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "mine.py"
        path.write_text(USER)
        return path

    def test_a_factory_is_called(self, file):
        found = facts(f"{file}:make")
        assert (found.parameters, found.bytes_in, found.bytes_out) == (20, 12, 20)
        assert found.source == f"user module {file}:make"

    def test_several_inputs_and_nested_outputs(self, file):
        found = facts(f"{file}:several")
        assert (found.bytes_in, found.bytes_out, found.flops) == (32, 32, None)

    def test_a_module_that_looks_at_its_data_is_run(self, file):
        assert facts(f"{file}:looks_at_data").bytes_out == 16

    @pytest.mark.parametrize(
        ("factory", "message"),
        [
            ("bare", "must return a pair: the module and its example input"),
            ("unbatched", "the first dimension of an example input is the batch and must be 1"),
            ("no_module", "must return a torch.nn.Module and its example input tensors"),
            ("absent", "has no 'absent'"),
        ],
    )
    def test_a_bad_factory_is_named(self, file, factory, message):
        with pytest.raises(SpecError, match=message):
            build(f"{file}:{factory}")

    def test_a_file_that_does_not_import_is_named(self, tmp_path):
        path = tmp_path / "broken.py"
        path.write_text("1 / 0")
        with pytest.raises(SpecError, match=r"broken\.py cannot be imported: ZeroDivisionError: division by zero"):
            build(f"{path}:make")


def test_without_transformers_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stratsim\[zoo\]'"):
        build("transformers:bert")
