"""Data on disk before workers start, so that no two of them fetch the same file."""

import json
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from litmus.sweeps.composition import resolved


def prepare_data(configs: Sequence[DictConfig], workers: int) -> None:
    """Fetches or draws what these configurations need, in a worker: this process then never imports torch.

    Args:
        workers: as many as the trials will use, whom joblib's launcher finds warm; 0 for trials that are run elsewhere,
            beside which an idle worker would only keep its memory for five minutes.

    Raises:
        ValueError: if data cannot be had, in the words of the data set.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    every = {json.dumps(resolved(config)["data"], sort_keys=True) for config in configs}
    # Of one worker joblib makes none.
    Parallel(n_jobs=max(2, workers), backend="loky")(delayed(_prepare)(json.loads(text)) for text in sorted(every))
    if not workers:
        get_reusable_executor().shutdown(wait=True)


def _prepare(data: dict[str, Any]) -> None:
    from litmus.trial.instantiation import instantiate

    instantiate(data).prepare_data()
