"""Jobs are made on the backends of sweeps: figures come back in the order of the seeds, and errors as they are."""

import pytest

from stratsim.capacity.measure import made
from stratsim.errors import SpecError
from stratsim.sweep.backends import Serial
from stratsim.sweep.backends.base import Completed


class Backwards(Serial):
    """Ends calls in the opposite order."""

    def next_completed(self) -> Completed:
        self._waiting.rotate(1)
        return super().next_completed()


@pytest.mark.parametrize("backend", [Serial, Backwards])
def test_figures_come_in_the_order_of_the_jobs(backend):
    assert made([0.3, 0.1, 0.2], backend(), lambda job: {"all": job}) == [{"all": 0.3}, {"all": 0.1}, {"all": 0.2}]


def test_an_error_of_a_job_is_the_error_of_the_search():
    def refuse(job):
        raise SpecError(f"not {job}")

    with pytest.raises(SpecError, match="not a"):
        made(["a", "b"], Backwards(), refuse)
