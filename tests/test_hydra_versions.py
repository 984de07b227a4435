"""Hydra 1.3 and 1.4 both: nothing of Hydra's is written, one door calls what is named, no call is deprecated."""

import re

import pytest
from omegaconf import OmegaConf

from litmus.project import ROOT
from litmus.sweeps.composition import Composition
from litmus.sweeps.launching import placed
from litmus.trial.making import instantiate

OWN = ("litmus", "src", "hydra_plugins", "scripts", "answers/make")
# What only the module of this name may call, and what Hydra or OmegaConf let nobody call any more.
DOORS = {
    r"hydra\.utils import .*instantiate|utils\.instantiate": "litmus/trial/making.py",
    r"OmegaConf\.register|ConfigStore\.instance|version_base": "litmus/trial/hydra_versions.py",
    r"set_readonly": "litmus/sweeps/composition.py",
    r"HydraConfig\.instance\(\)\.cfg\.|settings\.cfg\.": "nowhere",
}


class Loader:
    """Whoever asks for the search path of a command."""

    def get_search_path(self):
        from hydra._internal.config_search_path_impl import ConfigSearchPathImpl

        return ConfigSearchPathImpl()


def test_a_sweep_writes_nothing_into_hydras_configuration(compose, tmp_path):
    from hydra.types import HydraContext

    (tmp_path / "study").mkdir()
    command = compose("hydra.mode=MULTIRUN", f"hydra.searchpath=[file://{tmp_path}]")
    OmegaConf.set_readonly(command.hydra, True)  # as it is while Hydra runs a sweeper
    before = OmegaConf.to_container(command)
    own, directory = placed(command, str(tmp_path / "sweep"))
    composition = Composition(HydraContext(config_loader=Loader(), callbacks=None), own, directory)
    assert own.hydra.sweep.dir == str(directory)
    assert composition.master.hydra.searchpath != command.hydra.searchpath
    assert OmegaConf.to_container(command) == before


def test_only_what_a_node_itself_names_is_called(tmp_path):
    marked = {"_target_": "pathlib.Path.touch", "self": str(tmp_path / "touched")}
    made = instantiate({"_target_": "types.SimpleNamespace", "_recursive_": False}, told=marked)
    assert made.told == marked
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Exception, match=r"os\.system"):
        instantiate({"_target_": "os.system", "command": f"touch {tmp_path}/touched"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pattern", DOORS)
def test_each_door_is_the_only_one(pattern):
    found = [path for folder in OWN for path in (ROOT / folder).rglob("*.py") if re.search(pattern, path.read_text())]
    assert {str(path.relative_to(ROOT)) for path in [*found]} <= {DOORS[pattern]}
