"""The `study:` node of every file in answers/configs/study, as `python train.py -m study=NAME` reads it."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
STUDIES = ROOT / "answers" / "configs" / "study"


def study_nodes(studies: Path = STUDIES) -> dict[str, dict[str, Any]]:
    """Name → resolved node; Hydra merges what a file takes over from another one."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    from litmus.trial.command_line import register_resolvers
    from litmus.trial.hydra_versions import BASE

    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "configs"), **BASE):
        composed = {path.stem: compose("train", [f"study={path.stem}"]) for path in sorted(studies.glob("*.yaml"))}
    return {name: OmegaConf.to_container(config.study, resolve=True) for name, config in composed.items()}  # type: ignore[misc]
