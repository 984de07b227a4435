"""Sample-weighted means of an epoch, kept on the device until its end in the widest numbers that it has."""

import torch
from torch import Tensor


class Totals:
    """Loss and what is counted beside it over all samples added, each weighing the same whatever its batch.

    Nothing is read back from the device before `means`, so that adding costs no synchronization.
    """

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.sizes: list[int] = []
        self.tallies: list[Tensor] = []
        self.judged = True

    def add(self, losses: list[Tensor], sizes: list[int], tally: Tensor | None) -> None:
        """Mean losses (scalars) of batches of these sizes, and a sum over all their samples: how many were right.

        None is nobody's knowing; `judged` then says that there is no such mean.
        """
        self.losses += losses
        self.sizes += sizes
        if tally is None:
            self.judged = False
        else:
            self.tallies.append(tally)

    def sums(self, device: torch.device) -> Tensor:
        """(sum of losses, of tallies, samples), so that ranks can be added up; float64 where the device has it."""
        if not self.sizes:
            return torch.zeros(3)
        kind = widest(device)
        losses = torch.stack(self.losses).to(kind)
        sizes = torch.tensor(self.sizes, dtype=kind, device=losses.device)
        # A batch without samples (a rank's empty share) has loss 0 and weight 0.
        tally = torch.stack(self.tallies).to(kind).sum() if self.tallies else losses.new_zeros(())
        return torch.stack([losses @ sizes, tally, sizes.sum()])

    def first_not_finite(self, start: int = 0) -> int | None:
        """Place of the first loss from `start` on that is NaN or infinite."""
        if len(self.losses) <= start:
            return None
        finite = torch.stack(self.losses[start:]).isfinite()
        return None if bool(finite.all()) else start + int(finite.logical_not().nonzero()[0])


# Kinds of device that refuse float64, even to be moved there.
WITHOUT_FLOAT64 = {"mps"}


def widest(device: torch.device) -> torch.dtype:
    """Float64 where the device has it, else float32."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64
