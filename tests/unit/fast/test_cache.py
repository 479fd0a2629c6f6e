"""Compiled kernels are kept by the content of all that they call."""

from pathlib import Path

import pytest

import stratsim.fast
from stratsim.fast import cache
from stratsim.fast.coverage import AWARE, ENTRY, PREEMPT, RUN, TRITON

ROOM = Path(stratsim.fast.__file__).parent


def files_behind(kernel):
    return {
        path.relative_to(ROOM.parent).as_posix()
        for path in cache._imported(f"stratsim.fast.{kernel.rpartition('.')[0]}")
    }


def test_each_kernel_is_kept_by_what_it_calls_and_by_tolerances_but_not_by_what_the_other_calls():
    loop, strait, aware = files_behind(RUN), files_behind(ENTRY), files_behind(AWARE)
    assert {"fast/loop.py", "fast/unit.py", "fast/codes.py", "model/tolerance.py"} <= loop
    assert {"fast/strait/mail.py", "fast/strait/guard.py", "fast/strait/codes.py", "model/tolerance.py"} <= strait
    assert not any(name.startswith("fast/strait/") for name in loop)
    assert not {"fast/loop.py", "fast/unit.py", "fast/setup.py"} & strait
    assert {"fast/aware_edf.py", "fast/waiting.py", "fast/strait/estimates.py", "fast/strait/belief.py"} <= aware
    assert not {"fast/loop.py", "fast/strait/mail.py", "fast/strait/guard.py", "fast/strait/deciding.py"} & aware


def test_nor_by_what_preempts_which_shares_the_machine_with_the_loop():
    loop, preemptive = files_behind(RUN), files_behind(PREEMPT)
    assert {"fast/machine.py", "fast/unit.py", "fast/preempt/stopping.py"} <= preemptive
    assert "fast/loop.py" not in preemptive
    assert not any(name.startswith("fast/preempt/") for name in loop)


def test_and_triton_by_its_own_alone():
    triton = files_behind(TRITON)
    assert {"fast/triton/batcher.py", "fast/listing.py", "model/tolerance.py"} <= triton
    assert not any(name.startswith("fast/triton/") for name in files_behind(RUN))
    assert not {"fast/loop.py", "fast/unit.py", "fast/machine.py", "policy/triton/policy.py"} & triton


def test_every_file_with_a_kernel_is_behind_one_that_python_calls():
    known = set().union(*map(files_behind, (RUN, ENTRY, PREEMPT, AWARE, TRITON)))
    with_kernels = {
        path.relative_to(ROOM.parent).as_posix() for path in ROOM.rglob("*.py") if "\n@compiled\n" in path.read_text()
    }
    assert with_kernels
    assert with_kernels <= known


@pytest.mark.parametrize(("changed", "moves"), [("helper.py", True), ("apart.py", False), ("typed.py", False)])
def test_a_kernel_moves_when_a_file_behind_it_changes(tmp_path, monkeypatch, changed, moves):
    room = tmp_path / "stratsim" / "fast"
    room.mkdir(parents=True)
    for name, text in {
        "kernel.py": "from stratsim.fast import (\n    helper,\n)\nif T:\n    from stratsim.fast.typed import A\n",
        "helper.py": "",
        "apart.py": "from stratsim.fast.kernel import run\n",
        "typed.py": "",
    }.items():
        (room / name).write_text(text)
    monkeypatch.setattr(cache, "_ROOM", room)
    folder = cache.cache_folder.__wrapped__("stratsim.fast.kernel")
    (room / changed).write_text("x = 1\n" + (room / changed).read_text())
    assert (cache.cache_folder.__wrapped__("stratsim.fast.kernel") != folder) is moves
