"""Scripts in processes of their own, which need not read torch and Lightning again: forks of one that has them."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# What a run imports in seconds, and nothing of this project: a fork begins where `python SCRIPT` has imported these.
PARENT = """
import json, os, runpy, sys
import matplotlib.figure, pytorch_lightning, torch, torchmetrics

for line in sys.stdin:
    asked = json.loads(line)
    if (child := os.fork()) == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
os.chdir(asked["cwd"])
os.environ.clear()
os.environ.update(asked["env"])
for stream, place, how in ((0, os.devnull, "r"), (1, asked["stdout"], "w"), (2, asked["stderr"], "w")):
    with open(place, how) as file:
        os.dup2(file.fileno(), stream)
sys.argv = asked["words"]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
sys.path[1:1] = [entry for entry in asked["env"].get("PYTHONPATH", "").split(os.pathsep) if entry]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Forks:
    """Runs a script as `python SCRIPT WORD…` does in a folder; the first one waits for the imports of all."""

    def __init__(self):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.parent = subprocess.Popen(
            [sys.executable, "-c", PARENT], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words, cwd, env):
        """What subprocess.run gives, with all that was said as text."""
        with tempfile.TemporaryDirectory() as folder:
            said = {name: str(Path(folder) / name) for name in ("stdout", "stderr")}
            asked = {"words": [str(word) for word in words], "cwd": str(cwd), "env": dict(env), **said}
            self.parent.stdin.write(json.dumps(asked) + "\n")
            self.parent.stdin.flush()
            code = int(self.parent.stdout.readline())
            return subprocess.CompletedProcess(words, code, *(Path(place).read_text() for place in said.values()))

    def end(self):
        """No more of them."""
        self.parent.communicate()
