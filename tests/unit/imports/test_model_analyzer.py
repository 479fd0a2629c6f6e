"""Model Analyzer's table: columns as triton-inference-server/model_analyzer, docs/metrics.md, names them."""

import pytest

from stratsim.errors import SpecError
from stratsim.imports import Ask, import_measurements

DEFAULT = (
    "Model,Batch,Concurrency,Model Config Path,Instance Group,Max Batch Size,Satisfies Constraints,"
    "Throughput (infer/sec),p99 Latency (ms)\n"
)
FULL = (
    "Model,Batch,Concurrency,Instance Group,Throughput (infer/sec),Server Queue time (ms),"
    "Server Compute Input time (ms),Server Compute Infer time (ms),Server Compute Output time (ms)\n"
)


def test_the_solo_latency_is_the_servers_compute_time(write):
    rows = (
        "resnet50,8,1,1:GPU,640.0,0.1,0.4,11.5,0.1\n"  # in order of merit, not of batch
        "resnet50,1,4,1:GPU,400.0,6.0,0.2,2.9,0.1\n"  # four clients: not alone
        "resnet50,1,1,1:GPU,300.0,0.0,0.2,2.5,0.1\n"
        "resnet50,1,1,2:GPU,310.0,0.0,0.2,2.6,0.1\n"  # two instances
        'resnet50,1,1,1:CPU,10.0,0.0,0.2,99.0,0.1\n"resnet50,vgg19","1,1","1,1","1:GPU,1:GPU","421.0",1,1,1,1\n'
    )
    profile, notes = import_measurements("model-analyzer", [write("m.csv", FULL + rows)])
    assert profile.observable.models["resnet50"].latency_s == {1: pytest.approx(2.5e-3), 8: pytest.approx(11.5e-3)}
    for left in ("1 rows left out: at a concurrency above 1", "with instances 2:GPU", "with instances 1:CPU",
                 "of several models at once"):  # fmt: skip
        assert any(left in note for note in notes), left


def test_without_that_column_only_a_round_trip_is_known(write):
    # 8 requests a batch, 400 a second, one client: a batch each 20 ms.
    rows = "resnet50,8,1,a/b,1:GPU,8,Yes,400.0,21.0\nresnet50,1,1,a/b,1:GPU,8,No,200.0,5.4\n"
    profile, notes = import_measurements("model-analyzer", [write("m.csv", DEFAULT + rows)])
    assert profile.observable.models["resnet50"].latency_s == {1: pytest.approx(5e-3), 8: pytest.approx(20e-3)}
    assert any("round trip" in note and "inference_output_fields" in note for note in notes)
    assert "upper bound" in profile.provenance["observable.models.resnet50.latency_s"].source


def test_coarse_rounding_is_said(write):
    rows = "tiny,1,1,1:GPU,900,0,0,1.1,0\nlarge,1,1,1:GPU,9,0,0,110.0,0\n"
    _, notes = import_measurements("model-analyzer", [write("m.csv", FULL + rows)])
    (coarse,) = [note for note in notes if "rounded" in note]
    assert "tiny at 1" in coarse
    assert "large" not in coarse


def test_one_model_of_several(write):
    rows = "a,1,1,1:GPU,900,0,0,5,0\nb,1,1,1:GPU,9,0,0,110.0,0\n"
    profile, _ = import_measurements("model-analyzer", [write("m.csv", FULL + rows)], Ask(model="b"))
    assert list(profile.observable.models) == ["b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (FULL + "a,1,2,1:GPU,900,0,0,5,0\n", "no row was measured alone .* 1 rows at a concurrency above 1"),
        (FULL + "a,1,1,1:GPU,900,0,0,5,0\na,1,1,1:GPU,900,0,0,6,0\n", "lines 2 and 3 are both of 'a' alone"),
        (FULL + "a,1,1,1:GPU,900,0,0,0,0\n", "line 2: an execution must take longer than 0"),
        (FULL + "a,one,1,1:GPU,900,0,0,5,0\n", "line 2, Batch: not a number: 'one'"),
        (FULL + "a,1,1,1:GPU,900,0\n", "line 2: 6 cells under 9 columns"),
        ("Model,Batch,Request Rate\na,1,10\n", "sweep by request rate"),
        ("model,batch\n", "no line has the columns Batch, Model"),
    ],
)
def test_what_is_not_alone_or_no_table_is_refused(write, text, says):
    with pytest.raises(SpecError, match=says):
        import_measurements("model-analyzer", [write("m.csv", text)])
