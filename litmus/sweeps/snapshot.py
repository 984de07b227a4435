"""A copy of the configuration files as they were when a sweep began: Hydra composes each job only when it starts."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from litmus.atomic import naming
from litmus.sweeps.loader import SnapshotLoader

# Where in a sweep's directory they stand.
SNAPSHOTS = ".configs"
# Groups whose files hold a node of this name that is the sweeper's, and no part of a trial's configuration.
ASKING = ("study", "search")


def frozen_loader(loader: ConfigLoader, directory: Path) -> ConfigLoader:
    """A loader of a copy, under `directory`, of every configuration folder that the given loader reads."""
    path = ConfigSearchPathImpl()
    for element in loader.get_search_path().get_path():
        path.append(element.provider, frozen(element.path, directory))
    return SnapshotLoader(config_search_path=path)


def frozen(place: str, directory: Path) -> str:
    """The address of a copy of a folder on Hydra's search path; what is no folder is changed by nobody."""
    if not place.startswith("file://") and "://" in place:
        return place
    return f"file://{copied(Path(place.removeprefix('file://')), directory).resolve()}"


def copied(folder: Path, directory: Path) -> Path:
    """The folder's copy, named by its content, so that jobs of an earlier start keep theirs."""
    own = directory.parent.resolve()  # the sweep's, which may lie within the folder
    paths = [path for path in yaml_files(folder) if own not in path.resolve().parents]
    files = {path.relative_to(folder): path.read_text(encoding="utf-8") for path in paths}
    digest = hashlib.sha256(repr(sorted((str(name), text) for name, text in files.items())).encode()).hexdigest()[:12]
    target = directory / digest
    if not target.is_dir():
        part = target.with_name(f"{digest}.part")
        shutil.rmtree(part, ignore_errors=True)
        with naming(target):
            part.mkdir(parents=True)  # a folder of the search path may hold no configuration
            for name, text in files.items():
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_text(without_question(name, text), encoding="utf-8")
            part.rename(target)
    return target


def yaml_files(folder: Path) -> Iterable[Path]:
    """Every YAML file of a configuration folder, in order; what runs and sweeps keep below a dot is none of it.

    Folders may be links, which Hydra follows; one that leads back to where it lies is followed no further.
    """
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not (name.startswith(".") or _leads_back(Path(place, name)))]
        found += [Path(place, name) for name in names if name.endswith(".yaml")]
    return sorted(path for path in found if path.is_file())


def _leads_back(folder: Path) -> bool:
    if not folder.is_symlink():
        return False
    above = (folder.parent, *folder.parent.parents)
    return any(folder.samefile(one) for one in above)


def without_question(name: Path, text: str) -> str:
    """The text of a file of `study/` or `search/` without its node of that name; any other as it is."""
    if len(name.parts) < 2 or name.parts[0] not in ASKING:
        return text
    cut = _without_block(text, name.parts[0])
    if cut is not None:
        return cut
    content = OmegaConf.create(text)
    if not isinstance(content, DictConfig) or name.parts[0] not in content:
        return text
    del content[name.parts[0]]
    header = [line for line in text.splitlines() if line.startswith("# @package")]
    return "\n".join([*header[:1], OmegaConf.to_yaml(content)])


def _without_block(text: str, key: str) -> str | None:
    """The text without the indented block below `key:`, where that is how it is written; None if it has to be read.

    Reading YAML takes fifteen milliseconds a file, and a project has many studies.
    """
    starts = rf"{key}:\s*(#.*)?"
    blocks = [line for line in text.splitlines() if re.fullmatch(starts, line)]
    if len(blocks) != 1 or re.search(r"[&*]\w", text) or re.search(r"^['\"?{]", text, re.MULTILINE):
        return None  # an anchor reaches from one node to another, and a key may be written otherwise
    kept, within = [], False
    for line in text.splitlines():
        if re.match(r"[^\s#]", line):
            within = re.fullmatch(starts, line) is not None
        if not within:
            kept.append(line)
    return "\n".join([*kept, ""])
