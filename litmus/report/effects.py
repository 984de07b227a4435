"""What pictures and tables say of a comparison: its own outcome, what it needs, its two sides."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from litmus.claims.contrast import Contrast
from litmus.claims.leaf import Gain, Inside

SYMBOLS = {"confirmed": "✓", "rejected": "✗", "inconclusive": "?"}
Leaf = Gain | Inside


def outcome(leaf: Leaf) -> str:
    """What a comparison says by itself, whatever the prediction that it is a part of came to.

    Where looks are counted it is what its interval says, which is of this look alone, with the level that they leave.
    """
    own = replace(leaf, contrast=replace(leaf.contrast, earlier=()))
    return "confirmed" if bool(own.confirms()) else "rejected" if bool(own.rejects()) else "inconclusive"


def bars(leaf: Leaf) -> list[float]:
    """What the claim needs, as places on the scale."""
    ends = [leaf.bar] if isinstance(leaf, Gain) else [leaf.low, leaf.high]
    return [end for end in ends if math.isfinite(end)]


def pair(contrast: Contrast) -> tuple[str, str]:
    """Both sides of a comparison: instance, vs batch."""
    against = contrast.against.replace("than the two effects add up to", "vs the sum of both effects")
    return contrast.subject, re.sub(r"^(against|than) ", "vs ", against)


def titled(name: str) -> str:
    """A prediction's name as a heading: Instance best."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
