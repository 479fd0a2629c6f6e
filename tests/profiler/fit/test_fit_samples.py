"""The whole way: from samples to a profile that can be replayed, with honest labels and plain words."""

import gzip
import hashlib
import json
from dataclasses import replace

import pytest

from stratsim.errors import ProfileError
from stratsim.fit.cells import Load
from stratsim.model.codec import decode, dump_profile, load_profile
from stratsim.model.profile import Profile
from stratsim.model.provenance import origin, uncovered, unused
from stratsim_profiler.fit import fit_samples
from stratsim_profiler.fit.plain import summary_dict
from stratsim_profiler.fit.text import lines
from stratsim_profiler.samples import Done, Transfer
from stratsim_profiler.store import encode_line


def test_the_profile_holds_what_the_device_was_made_of(full_bench, full_fit):
    profile = full_fit.profile
    assert sorted(profile.observable.models) == [load.model for load in full_bench.loads]
    assert profile.observable.pcie.h2d.bytes_per_s == pytest.approx(12e9, rel=0.03)
    assert profile.observable.pcie.h2d.alpha_s == pytest.approx(10e-6, rel=0.05)
    assert profile.observable.pcie.pageable.d2h.bytes_per_s == pytest.approx(4e9, rel=0.05)
    assert profile.observable.models["m0"].latency_s[1] == pytest.approx(0.01, rel=0.02)
    assert profile.truth.transfers.engines == 1
    assert profile.truth.transfers.duplex == pytest.approx(0.8, abs=0.02)
    assert profile.truth.noise_cv == pytest.approx(0.02, rel=0.4)
    for load in full_bench.loads:
        assert profile.truth.sharing[load.model][1].demand == pytest.approx(full_bench.demand[load], rel=0.08)
    assert profile.device.name == "Test GPU"
    assert profile.name == "test-gpu-fp16"


def test_the_profile_can_be_written_read_and_replayed(full_fit, tmp_path):
    from stratsim.cli import main

    path = tmp_path / "mine.json"
    path.write_text(dump_profile(full_fit.profile))
    assert load_profile(path) == full_fit.profile
    assert main(["replay", "--profile", str(path), "--policy", "fifo", "--limit", "50", "--quiet", "--json"]) == 0


def test_every_figure_has_an_honest_origin(full_fit):
    profile = full_fit.profile
    assert uncovered(profile) == ()
    assert unused(profile) == ()
    kinds = {
        ("observable", "models", "m0", "latency_s"): "measured",
        ("observable", "pcie", "h2d", "alpha_s"): "measured",
        ("pairs", "0"): "measured",
        ("truth", "sharing", "m0", "1", "demand"): "synthetic",
    }
    for path, kind in kinds.items():
        assert origin(profile, path).kind == kind
    assert origin(profile, ("truth", "sharing", "m0")).source.startswith("fitted to measured co-locations")


def test_the_pairs_are_the_measured_ones_with_both_directions_held_out(full_fit):
    pairs = full_fit.profile.pairs
    assert len(pairs) == 5 * 4 + 5
    held = {frozenset((pair.target, pair.other)) for pair in pairs if pair.held_out}
    assert held == {frozenset({"m0", "m1"}), frozenset({"m2", "m3"})}
    assert sum(pair.held_out for pair in pairs) == 4


def test_features_and_kernels_come_along(full_fit):
    model = full_fit.profile.observable.models["m3"]
    assert model.features[1].memory == pytest.approx(1 / 3, abs=1e-4)
    assert (model.kernels.count, model.kernels.mean_s) == (100, 1e-4)
    assert model.weights_bytes == 4 * 10**6


def test_the_summary_judges_by_held_out_pairs_and_says_so(full_fit):
    summary = full_fit.summary
    assert summary.judged[0] == "leave-one-pair-out"  # four held-out slowdowns are too few
    assert summary.good
    assert summary.verdict.startswith("Good fit: `streams`, mean error of the execution time")
    assert summary.verdict in full_fit.profile.description
    sharing = summary.sharing
    for split in ("held-out pairs", "held-out triples", "offset runs"):
        assert sharing.row(split).mean < 0.05
        assert sharing.row(split).mean < sharing.row(split, "constant").mean
        assert sharing.row(split).mean < sharing.row(split, "gpulet").mean
    assert summary.discarded == {"thermal": 1}


@pytest.mark.slow
def test_held_out_pairs_judge_the_fit_where_there_are_enough(make_bench):
    bench = make_bench(5, seed=8, noise=0.02, demand=(0.4, 0.9))
    bench.measure_models()
    bench.measure_transfers()
    bench.measure_design([("m0", "m1"), ("m2", "m3"), ("m1", "m4"), ("m0", "m3"), ("m2", "m4")])
    split, found = fit_samples(bench.samples(), starts=2).summary.judged
    assert (split, found.count) == ("held-out pairs", 10)
    assert found.mean < 0.05


def test_the_summary_is_plain_data(full_fit):
    data = json.loads(json.dumps(summary_dict(full_fit.summary), allow_nan=False))
    assert data["good"] is True
    assert data["sharing"]["demand"]["m0 x1"] == full_fit.summary.sharing.fit.shares.demand[Load("m0", 1)]
    assert {row["split"] for row in data["sharing"]["errors"]} >= {"in-sample", "random", "leave-one-pair-out"}
    assert data["transfers"]["engines"]["h2d"]["sharing"] == "serial"


def test_the_text_shows_every_table(full_fit):
    text = "\n".join(lines(full_fit))
    for part in (
        "Good fit",
        "h2d pinned",
        "copies h2d at once: serial",
        "m4 x1",
        "leave-one-pair-out: gpulet",
        "(anchor)",
    ):
        assert part in text


@pytest.mark.slow
def test_a_device_that_is_nothing_like_the_model_gets_a_plain_no(make_bench):
    """Slowdowns drawn at random follow no model: the verdict says so, in the profile too."""
    bench = make_bench(3, seed=3, noise=0.6)
    bench.measure_models()
    bench.measure_transfers()
    bench.measure_design()
    result = fit_samples(bench.samples(), starts=2)
    assert not result.summary.good
    assert result.summary.verdict.startswith("BAD FIT: ")
    assert "Do not draw conclusions" in result.profile.description
    assert result.warnings[0] == result.summary.verdict


def minimal(make_bench, **options):
    bench = make_bench(2, seed=1, **options)
    bench.measure_models()
    bench.measure_transfers()
    return bench


def test_without_co_location_the_profile_says_that_it_knows_nothing_of_it(make_bench):
    result = fit_samples(minimal(make_bench).samples())
    assert result.summary.sharing is None
    assert result.profile.truth.sharing == {}
    assert "Co-location was not fitted" in result.profile.description
    assert result.profile.pairs == ()
    assert uncovered(result.profile) == ()
    assert any("not fitted" in warning for warning in result.warnings)


def test_the_limit_depends_on_the_kind_of_device(make_bench):
    samples = minimal(make_bench).samples
    assert fit_samples(samples("cuda")).summary.limit == 0.10
    assert fit_samples(samples("cpu")).summary.limit == 0.15


def test_missing_transfers_are_refused_by_direction(make_bench):
    bench = minimal(make_bench)
    bench.records = [r for r in bench.records if not (isinstance(r, Transfer) and r.direction == "d2h")]
    with pytest.raises(ProfileError, match="copies from pinned memory in direction d2h were not measured"):
        fit_samples(bench.samples())


def test_without_any_model_at_batch_size_one_the_way_on_is_said(bench_class):
    load = Load("wide", 4)
    bench = bench_class({load: 0.5}, {load: 1.0})
    bench.measure_models()
    bench.measure_transfers()
    with pytest.raises(ProfileError, match=r"no model has solo samples at batch size 1; .* goes on from the samples"):
        fit_samples(bench.samples())


def test_launch_bound_loads_are_said_to_be_left_out(make_bench):
    bench = make_bench(3, seed=2, noise=0.02, demand=(0.5, 0.9))
    bound = bench.loads[1]
    bench.measure_models(launch_bound={bound})
    bench.measure_transfers()
    bench.measure_design()
    result = fit_samples(bench.samples(), starts=2)
    assert bound.model not in result.profile.truth.sharing
    assert set(result.profile.truth.sharing) == {"m0", "m2"}
    assert any("launch-bound" in warning and str(bound) in warning for warning in result.warnings)
    assert any("demand 1 and weight 1" in warning and "m1" in warning for warning in result.warnings)


@pytest.mark.slow
def test_power_capped_cells_are_kept_counted_and_judged_apart(make_bench):
    bench = make_bench(3, seed=2, noise=0.02, demand=(0.5, 0.9))
    bench.measure_models()
    bench.measure_transfers()
    bench.measure_design()
    heavy = bench.loads[0]
    bench.measure((heavy, heavy), "self", power_capped=True)
    result = fit_samples(bench.samples(), starts=2)
    assert result.summary.sharing.capped_cells == 1
    assert result.summary.sharing.uncapped.mean < 0.05
    assert any("power cap" in warning for warning in result.warnings)


@pytest.mark.slow
def test_terms_that_are_needed_are_reported_and_not_written(make_bench):
    from stratsim.fit.sharing import Terms

    bench = make_bench(4, seed=9, noise=0.02, terms=Terms(thrash=0.2), demand=(0.5, 0.9))
    bench.measure_models()
    bench.measure_transfers()
    bench.measure_design()
    result = fit_samples(bench.samples(), starts=2)
    sharing = result.summary.sharing
    assert sharing.terms.needed
    assert sharing.row("leave-one-pair-out", "streams + terms").mean < sharing.row("leave-one-pair-out").mean
    assert any("thrash term" in warning for warning in result.warnings)


def written(bench, tmp_path, name):
    samples = bench.samples()
    text = "\n".join(encode_line(record) for record in (samples.header, *samples.records, Done("all", 1.0))) + "\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path, hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.jsonl.gz"])
def test_the_checksum_of_the_samples_is_in_the_provenance(make_bench, tmp_path, name):
    path, checksum = written(minimal(make_bench), tmp_path, name)
    result = fit_samples(path, name="mine")
    source = result.profile.provenance["observable.pcie"].source
    assert f"samples {name}, sha256 {checksum}" in source
    assert result.profile.name == "mine"


@pytest.mark.slow
def test_the_same_samples_give_the_same_bytes(make_bench):
    bench = minimal(make_bench, noise=0.02)
    bench.measure_design()
    once, again = (fit_samples(bench.samples(), starts=3) for _ in range(2))
    assert dump_profile(once.profile) == dump_profile(again.profile)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data["truth"]["sharing"]["m0"]["1"].update(demand=1.5),
            r"demand must be within \(0, 1\], got 1.5",
        ),
        (
            lambda data: data["truth"]["sharing"].update(ghost={"1": {"demand": 0.5}}),
            "truth.sharing names model 'ghost'",
        ),
        (lambda data: data["truth"]["transfers"].update(duplex=0.2), "duplex must be within"),
        (lambda data: data["pairs"][0].update(target="ghost"), r"pairs\[0\] names model 'ghost'"),
        (lambda data: data["pairs"][0].update(slowdown=0.0), "slowdown must be > 0 and finite, got 0.0"),
        (lambda data: data["observable"]["pcie"]["h2d"].update(bytes_per_s=-1.0), "bytes_per_s must be > 0"),
        (lambda data: data["observable"]["models"]["m0"].update(latency_s={}), "latency_s is empty"),
    ],
)
def test_a_spoilt_profile_is_refused_by_name(full_fit, change, message):
    data = json.loads(dump_profile(full_fit.profile))
    change(data)
    with pytest.raises(ProfileError, match=message):
        decode(data, Profile, "spoilt.json", ProfileError)


def test_another_law_writes_every_batch_size(full_fit, full_bench):
    from stratsim_profiler.fit.assemble import assemble_profile

    summary = full_fit.summary
    logged = replace(summary, sharing=replace(summary.sharing, law="log-log"))
    profile = assemble_profile(logged, full_bench.samples().header, "x", "test")
    assert profile.truth.sharing["m0"] == full_fit.profile.truth.sharing["m0"]
