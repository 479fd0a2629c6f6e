"""A device model in two methods, for docs/how-to/add-a-device-model.md."""

from stratsim.device import FluidModel, Phase


class Half(FluidModel):
    """Every co-located batch is slowed by one factor."""

    name = "half"
    needs = "nothing"

    def __init__(self, hardware, slots=1, *, factor=2.0):
        super().__init__(hardware, slots)
        self.factor = factor

    def _phases(self, model, batch):
        return (Phase(1.0, model),)

    def rates(self, active):
        return [1.0 if len(active) == 1 else 1 / self.factor] * len(active)
