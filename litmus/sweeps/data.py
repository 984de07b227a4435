"""Data on disk before workers start, so that no two of them fetch the same file."""

import json
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from litmus.sweeps.composition import resolved


def prepare_data(configs: Sequence[DictConfig], workers: int) -> None:
    """Fetches or draws what these configurations need, in a worker: this process then never imports torch.

    Raises:
        ValueError: if data cannot be had, in the words of the data set.
    """
    from joblib import Parallel, delayed

    every = {json.dumps(resolved(config)["data"], sort_keys=True) for config in configs}
    # As many workers as the trials will use: joblib's launcher finds them warm.
    Parallel(n_jobs=workers, backend="loky")(delayed(_prepare)(json.loads(text)) for text in sorted(every))


def _prepare(data: dict[str, Any]) -> None:
    from hydra.utils import instantiate

    instantiate(data, _convert_="all").prepare_data()
