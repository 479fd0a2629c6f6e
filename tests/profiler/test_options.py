"""What the user asks for: durations, batch sizes, models, and the request that follows."""

import sys
from pathlib import Path

import pytest

from stratsim.errors import MissingExtraError, SpecError
from stratsim_profiler.device import open_device
from stratsim_profiler.device.base import DeviceInfo
from stratsim_profiler.options import Options, batches, duration_s
from stratsim_profiler.plan import Load
from stratsim_profiler.settings import Settings, settings_for
from stratsim_profiler.zoo import DEFAULT_CPU, DEFAULT_CUDA, PUBLISHED_PARAMETERS, check_name, names

GPU = DeviceInfo("cuda", "a GPU", 1 << 34, True, ("graph", "eager"), ("fp16", "bf16", "fp32"))
CPU = DeviceInfo("cpu", "a CPU", 1 << 34, False, ("eager",), ("fp32", "bf16"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("1.5 h", 5400), (" 2m ", 120)]
)
def test_durations(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10 min", "-5m", "0", "ten", "1d"])
def test_no_durations(text):
    with pytest.raises(SpecError, match="is not a duration; write 90s, 10m or 1h"):
        duration_s(text)


def test_batch_sizes_are_sorted_without_repeats():
    assert batches("8, 1,4,8") == (1, 4, 8)


@pytest.mark.parametrize("text", ["0", "1,,2", "-1", "4097", "x", "1.5"])
def test_bad_batch_sizes_are_named(text):
    with pytest.raises(SpecError, match=r"batch size .* must be a whole number within \[1, 4096\]"):
        batches(text)


class TestNames:
    def test_all_defaults_are_in_the_zoo(self):
        assert set(DEFAULT_CPU) | set(DEFAULT_CUDA) | set(PUBLISHED_PARAMETERS) <= set(names())
        assert len(DEFAULT_CUDA) == 8

    def test_an_unknown_name_gets_a_hint(self):
        with pytest.raises(SpecError, match="unknown model 'resnet5'; did you mean 'resnet50'"):
            check_name("resnet5")

    def test_a_missing_file_is_named(self):
        with pytest.raises(SpecError, match=r"model 'no/such\.py:make': no file no/such\.py"):
            check_name("no/such.py:make")

    def test_a_factory_must_be_a_name(self, tmp_path):
        (tmp_path / "m.py").touch()
        with pytest.raises(SpecError, match="'1x' is not the name of a function"):
            check_name(f"{tmp_path / 'm.py'}:1x")
        assert check_name(f"{tmp_path / 'm.py'}:make").endswith(":make")


class TestDevice:
    @pytest.mark.parametrize("spec", ["gpu", "rocm:0", "", "CPU"])
    def test_unknown_kinds(self, spec):
        with pytest.raises(SpecError, match="must be cuda, cuda:INDEX, cpu or cpu:CORES"):
            open_device(spec)

    @pytest.mark.parametrize("spec", ["cuda:x", "cpu:-1", "cpu:1.5", "cuda:²"])
    def test_the_number_must_be_one(self, spec):
        with pytest.raises(SpecError, match="is not a number"):
            open_device(spec)

    def test_without_torch_the_message_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(
            MissingExtraError, match=r"torch is not installed; it needs: pip install 'stratsim\[profiler\]'"
        ):
            open_device("cpu")


class TestSettings:
    def test_a_gpu_keeps_the_documented_times(self):
        found = settings_for("cuda")
        assert (found.settle_s, found.least_overlap, found.launch_bound) == (0.2, 0.98, 0.7)
        assert found.window_s >= 1.0
        assert found.transfer_sizes[0] == 4 << 10
        assert found.transfer_sizes[-1] == 256 << 20

    def test_quick_takes_less_of_everything(self):
        for kind in ("cuda", "cpu"):
            usual, quick = settings_for(kind), settings_for(kind, quick=True)
            assert quick.window_s < usual.window_s
            assert len(quick.transfer_sizes) < len(usual.transfer_sizes)
            assert quick.least_overlap == usual.least_overlap == Settings().least_overlap

    def test_sharing_the_device_is_passed_on(self):
        assert settings_for("cuda", allow_shared=True).allow_shared
        assert not settings_for("cuda").allow_shared


def options(**changes):
    return Options(out=Path("out/x.json"), device="cpu", **changes)


class TestOptions:
    def test_samples_stand_beside_the_profile(self):
        assert options().samples_file == Path("out/x.samples.jsonl")
        assert options(samples=Path("y.jsonl")).samples_file == Path("y.jsonl")

    def test_budgets(self):
        assert options().budget_for("cuda") == 600.0
        assert options(quick=True).budget_for("cpu") < 60.0
        assert options(budget_s=77.0).budget_for("cuda") == 77.0


class TestRequest:
    @pytest.fixture(autouse=True)
    def _torch(self):
        pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

    def make(self, info=CPU, **changes):
        from stratsim_profiler.options import make_request

        return make_request(options(**changes), info)

    def test_a_cpu_by_default(self):
        found = self.make()
        assert (found.models, found.solo_batches, found.batches) == (DEFAULT_CPU, (1, 2, 4), (1, 2))
        assert (found.dtype, found.mode) == ("fp32", "eager")
        assert found.heaviest.batch == 2

    def test_the_heaviest_has_the_most_operations(self):
        found = self.make(GPU, models=("mobilenetv2", "vgg19", "yolov3-tiny-like"))
        assert found.heaviest == Load("vgg19", 8)
        assert (found.dtype, found.mode) == ("fp16", "graph")

    def test_batch_one_is_always_measured_alone(self):
        found = self.make(solo_batches=(4, 8))
        assert found.solo_batches == (1, 4, 8)
        assert found.batches == (4,)

    def test_colocated_batches_are_measured_alone_too(self):
        assert self.make(solo_batches=(1,), batches=(2, 16)).solo_batches == (1, 2, 16)

    def test_without_a_common_batch_the_smallest_is_colocated(self):
        assert self.make(solo_batches=(2, 8)).batches == (2,)

    def test_models_are_not_repeated(self):
        assert self.make(models=("mlp-wide", "mlp-wide")).models == ("mlp-wide",)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"dtype": "fp16"}, "dtype 'fp16' is not one that a CPU has here: fp32, bf16"),
            ({"mode": "graph"}, "mode 'graph' is not one that a CPU has here: eager"),
            ({"priorities": True}, "stream priorities need a CUDA device"),
            ({"models": ("nope",)}, "unknown model 'nope'"),
        ],
    )
    def test_what_the_device_does_not_have_is_refused(self, changes, message):
        with pytest.raises(SpecError, match=message):
            self.make(**changes)
