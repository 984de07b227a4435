"""What a published page says of places: no directory of the machine that ran it."""

from __future__ import annotations

import re
import shlex

# Two or more parts from the root on; not the second half of an address, a metric (train/loss) or a relative path.
PLACE = re.compile(r"(?<![\w./:~…])(?:/[\w.+@%~-]+)+/([\w.+@%~-]+)")


def without_paths(text: str) -> str:
    """The text with every absolute path cut to its last part: …/fashion-mnist."""
    return PLACE.sub(r"…/\1", text)


def portable(command: str) -> str:
    """The command without the overrides that name a directory of the machine it ran on."""
    words = shlex.split(command)
    kept = [word for word in words if not PLACE.search(word)]
    return shlex.join(kept) if len(kept) < len(words) else command
