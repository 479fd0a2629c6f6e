"""`nvbandwidth -j`: the form that NVIDIA/nvbandwidth, json_output.cpp, writes; rates are strings in GB/s."""

import pytest

from stratsim.errors import SpecError
from stratsim.imports import Ask, import_measurements
from stratsim.imports.nvbandwidth import read


def report(h2d=("24.61", "24.59"), d2h=("26.31", "26.30"), **changed):
    def case(name, rates, description):
        return {
            "name": name, "status": "Passed", "bandwidth_description": description,
            "bandwidth_matrix": [list(rates)], "sum": sum(map(float, rates)),
        }  # fmt: skip

    cases = [
        case("host_to_device_memcpy_ce", h2d, "memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)"),
        case("device_to_host_memcpy_ce", d2h, "memcpy CE CPU(row) <- GPU(column) bandwidth (GB/s)"),
        {"name": "device_to_device_memcpy_read_ce", "status": "Waived"},
    ]
    cases[0] |= changed
    return {"nvbandwidth": {"Driver Version": "550.54", "version": "v0.8", "testcases": cases}}


def test_the_link_is_one_copy_alone_in_one_direction(write):
    found = read(write("link.json", report()), Ask())
    assert found.bytes_per_s == {"h2d": pytest.approx(24.61e9), "d2h": pytest.approx(26.31e9)}
    assert found.tool == "nvbandwidth v0.8, driver 550.54"
    assert read(write("link.json", report()), Ask(device=1)).bytes_per_s["h2d"] == pytest.approx(24.59e9)


def test_devices_that_differ_are_said(write):
    found = read(write("link.json", report(h2d=("24.0", "12.0"))), Ask())
    assert any("differs between devices by 100%; device 0 was taken" in note for note in found.notes)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"other": 1}, "not nvbandwidth's JSON"),
        ({"nvbandwidth": {"testcases": []}}, "no test case 'host_to_device_memcpy_ce'"),
        (report(status="Error", error="out of memory"), "status 'Error': out of memory"),
        (report(bandwidth_matrix=[["N/A"]]), "not a number: 'N/A'"),
        (report(bandwidth_matrix=None), "no bandwidth_matrix of one row"),
        (report(bandwidth_matrix=[["0.0"]]), "a rate must be > 0"),
    ],
)
def test_what_cannot_be_a_link_is_refused(write, content, says):
    with pytest.raises(SpecError, match=says):
        read(write("link.json", content), Ask())


def test_a_device_that_is_not_there(write):
    with pytest.raises(SpecError, match="devices 0 to 1, and --device says 2"):
        read(write("link.json", report()), Ask(device=2))


def test_a_link_alone_is_no_profile(write):
    with pytest.raises(SpecError, match="needs a model"):
        import_measurements("nvbandwidth", [write("link.json", report())])


def test_a_name_that_is_no_text_is_another_test_case(write):
    path = write("l.json", {"nvbandwidth": {"testcases": [{"name": {"a": 1}, "status": "Passed"}]}})
    with pytest.raises(SpecError, match="no test case 'host_to_device_memcpy_ce'"):
        import_measurements("nvbandwidth", [path])
