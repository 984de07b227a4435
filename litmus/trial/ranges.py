"""What arguments of well-known constructors mean, where these take numbers that mean nothing or refuse in riddles.

A stranger's class is not here: it says itself what it refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`, either of which may be left out of it; the words say the same."""

    words: str
    least: float = 0
    most: float = inf
    with_least: bool = True
    with_most: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a number, or each of a list, lies within; what is no number is not judged."""
        if isinstance(value, list | tuple):
            return all(map(self.holds, value))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        above = value >= self.least if self.with_least else value > self.least
        return above and (value <= self.most if self.with_most else value < self.most)


FROM_0 = Range("from 0 on")
ABOVE_0 = Range("above 0", with_least=False)
FROM_1 = Range("from 1 on", least=1)
BELOW_1 = Range("from 0 up to, and without, 1", most=1)
SHARE = Range("above 0 and up to 1", most=1, with_least=False, with_most=True)

# By the beginning of the constructor's path; the longest that fits counts.
RANGES: Mapping[str, Mapping[str, Range]] = {
    "torch.optim.": {
        **dict.fromkeys(("lr", "eps", "weight_decay", "momentum", "lambd", "lr_decay"), FROM_0),
        **dict.fromkeys(("alpha", "betas"), BELOW_1),
    },
    "torch.optim.lr_scheduler.": {
        **dict.fromkeys(("step_size", "T_max", "T_0", "T_mult", "total_iters", "total_steps"), FROM_1),
        **dict.fromkeys(("gamma", "factor", "start_factor", "end_factor", "max_lr", "base_lr"), ABOVE_0),
        **dict.fromkeys(("patience", "cooldown", "eta_min", "min_lr", "eps", "threshold"), FROM_0),
    },
    "pytorch_lightning.callbacks.": dict.fromkeys(("patience", "min_delta"), FROM_0),
    "pytorch_lightning.Trainer": {
        **dict.fromkeys(("accumulate_grad_batches", "check_val_every_n_epoch", "max_epochs", "num_nodes"), FROM_1),
        **dict.fromkeys(("reload_dataloaders_every_n_epochs", "min_epochs", "min_steps"), FROM_0),
        "gradient_clip_val": FROM_0,
        "limit_train_batches": ABOVE_0,
        "log_every_n_steps": FROM_0,
        "num_sanity_val_steps": Range("from 0 on, or -1 for all", least=-1),
    },
}


def range_of(target: str, name: str) -> Range | None:
    """The range of an argument of the constructor with this path; None where it is not known."""
    known = max((path for path in RANGES if target.startswith(path)), key=len, default=None)
    return None if known is None else RANGES[known].get(name)
