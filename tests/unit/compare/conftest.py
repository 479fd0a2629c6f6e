"""Logs written by hand."""

import numpy as np
import pytest

from stratsim.engine import BatchTable, RequestTable, Result


@pytest.fixture
def logged():
    """Make the result of a run from (model, size, dispatch, start of execution, end) per batch; no copies, one GPU."""

    def make(rows, models=("a", "b"), gpus=None):
        names, sizes, dispatch_s, start_s, end_s = (list(column) for column in zip(*rows, strict=True))
        columns = {name: np.array(dispatch_s, dtype=float) for name in ("dispatch_s", "copy_in_start_s")}
        columns["copy_in_end_s"] = np.array(dispatch_s, dtype=float)
        columns["execution_start_s"] = np.array(start_s, dtype=float)
        columns |= dict.fromkeys(
            ("execution_end_s", "copy_out_start_s", "copy_out_end_s"), np.array(end_s, dtype=float)
        )
        batches = BatchTable(
            gpu=np.array(gpus or [0] * len(rows), dtype=np.int32),
            model=np.array([models.index(name) for name in names], dtype=np.int32),
            size=np.array(sizes, dtype=np.int32),
            priority=np.ones(len(rows), dtype=np.int8),
            solo_s=np.full(len(rows), np.nan),
            **columns,
        )
        none = {name: np.empty(0) for name in RequestTable.__dataclass_fields__}
        return Result("by hand", RequestTable(**none), batches, models, (), (), 1, 0, 0.0, max(end_s), 0.0)

    return make
