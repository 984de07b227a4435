"""What Hydra need not keep of the jobs of a sweep."""

from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class ForgetConfigurations(Callback):
    """Lets go of a job's configurations when it has ended: Hydra holds them to the sweep's end, 0.3 MB a job."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **others: Any) -> None:
        job_return.cfg = job_return.hydra_cfg = None
