"""Rules over rules: every, some, one against its rival.

`Every` confirms by intersection–union (each part at the full level) and rejects by Bonferroni; `Some` the other way
round. Levels pass down, so nested claims keep the 2.5 % of each side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from litmus.claims.assurance import Chances
from litmus.claims.leaf import LEVEL, Gain, Inside
from litmus.claims.statistics import bonferroni, intersection_union


class Claim(Protocol):
    """What the verdict asks of a rule; arrays when the contrasts carry simulations."""

    @property
    def p_confirm(self) -> Any:
        """p of the claim being false."""

    @property
    def p_reject(self) -> Any:
        """p of the claim being true."""

    def confirms(self, level: float = LEVEL) -> Any:
        """Whether the claim is confirmed at a one-sided level."""

    def rejects(self, level: float = LEVEL) -> Any:
        """Whether the claim is rejected at a one-sided level."""

    def leaves(self) -> Iterator[Gain | Inside]:
        """The single contrasts, in order."""

    def confirming(self) -> Gain | Inside:
        """The contrast on which confirmation hangs: the weakest of every, the strongest of some."""

    def rejecting(self) -> Gain | Inside:
        """The contrast on which rejection hangs: the worst of every, the best of some."""

    def sign(self) -> Claim | None:
        """The claim's direction alone, whatever the size; None when it claims none."""

    def assurance(self, seeds: int, level: float = LEVEL) -> Chances:
        """Chances that so many more seeds confirm and reject."""


@dataclass(frozen=True)
class Every:
    """All parts hold: confirmed when each is (max p), rejected when one is (Bonferroni)."""

    parts: Sequence[Claim]

    @property
    def p_confirm(self) -> Any:
        """Intersection–union: the largest p."""
        return intersection_union([part.p_confirm for part in self.parts])

    @property
    def p_reject(self) -> Any:
        """Bonferroni over the parts."""
        return bonferroni([part.p_reject for part in self.parts])

    def confirms(self, level: float = LEVEL) -> Any:
        """Each part confirms."""
        return np.all([part.confirms(level) for part in self.parts], axis=0)

    def rejects(self, level: float = LEVEL) -> Any:
        """Some part rejects at its share of the level."""
        return np.any([part.rejects(level / len(self.parts)) for part in self.parts], axis=0)

    def leaves(self) -> Iterator[Gain | Inside]:
        """The leaves of every part."""
        for part in self.parts:
            yield from part.leaves()

    def confirming(self) -> Gain | Inside:
        """The weakest part's; one that fails outright comes before one that merely has a larger p."""
        return max(self.parts, key=lambda part: (not part.confirms(), float(part.p_confirm))).confirming()

    def rejecting(self) -> Gain | Inside:
        """The worst part's."""
        return min(self.parts, key=lambda part: float(part.p_reject)).rejecting()

    def sign(self) -> Claim | None:
        """Every part's; one that only claims "not worse by more than" has no say beside others."""
        kept = [part for part in self.parts if not (isinstance(part, Gain) and part.by < 0)]
        signs = [sign for part in kept or self.parts if (sign := part.sign()) is not None]
        return Every(signs) if signs else None

    def assurance(self, seeds: int, level: float = LEVEL) -> Chances:
        """All must be confirmed, as if the parts were independent, or the clearest rejected."""
        confirm = math.prod(part.assurance(seeds, level)[0] for part in self.parts)
        return confirm, max(part.assurance(seeds, level / len(self.parts))[1] for part in self.parts)


@dataclass(frozen=True)
class Some:
    """At least one part holds: confirmed when one is (Bonferroni), rejected when each is (max p)."""

    parts: Sequence[Claim]

    @property
    def p_confirm(self) -> Any:
        """Bonferroni over the parts."""
        return bonferroni([part.p_confirm for part in self.parts])

    @property
    def p_reject(self) -> Any:
        """Intersection–union: the largest p."""
        return intersection_union([part.p_reject for part in self.parts])

    def confirms(self, level: float = LEVEL) -> Any:
        """Some part confirms at its share of the level."""
        return np.any([part.confirms(level / len(self.parts)) for part in self.parts], axis=0)

    def rejects(self, level: float = LEVEL) -> Any:
        """Each part rejects."""
        return np.all([part.rejects(level) for part in self.parts], axis=0)

    def leaves(self) -> Iterator[Gain | Inside]:
        """The leaves of every part."""
        for part in self.parts:
            yield from part.leaves()

    def confirming(self) -> Gain | Inside:
        """The strongest part's; one that confirms comes before one that merely has a smaller p."""
        share = LEVEL / len(self.parts)
        return min(self.parts, key=lambda part: (not part.confirms(share), float(part.p_confirm))).confirming()

    def rejecting(self) -> Gain | Inside:
        """The best part's."""
        return max(self.parts, key=lambda part: float(part.p_reject)).rejecting()

    def sign(self) -> Claim | None:
        """Some part's."""
        signs = [sign for part in self.parts if (sign := part.sign()) is not None]
        return Some(signs) if signs else None

    def assurance(self, seeds: int, level: float = LEVEL) -> Chances:
        """The clearest must be confirmed, or all rejected."""
        confirm = max(part.assurance(seeds, level / len(self.parts))[0] for part in self.parts)
        return confirm, math.prod(part.assurance(seeds, level)[1] for part in self.parts)


@dataclass(frozen=True)
class Against:
    """A claim and its rival: confirmed when the claim confirms, rejected when the rival confirms."""

    claim: Claim
    rival: Claim

    @property
    def p_confirm(self) -> Any:
        """The claim's."""
        return self.claim.p_confirm

    @property
    def p_reject(self) -> Any:
        """The rival's p of confirmation."""
        return self.rival.p_confirm

    def confirms(self, level: float = LEVEL) -> Any:
        """The claim confirms."""
        return self.claim.confirms(level)

    def rejects(self, level: float = LEVEL) -> Any:
        """The rival confirms."""
        return self.rival.confirms(level)

    def leaves(self) -> Iterator[Gain | Inside]:
        """The claim's leaves; the rival's are the same contrasts turned round."""
        yield from self.claim.leaves()

    def confirming(self) -> Gain | Inside:
        """The claim's."""
        return self.claim.confirming()

    def rejecting(self) -> Gain | Inside:
        """The rival's."""
        return self.rival.confirming()

    def sign(self) -> Claim | None:
        """Both sides'."""
        claim, rival = self.claim.sign(), self.rival.sign()
        return None if claim is None or rival is None else Against(claim, rival)

    def assurance(self, seeds: int, level: float = LEVEL) -> Chances:
        """The claim's and the rival's chances to be confirmed."""
        return self.claim.assurance(seeds, level)[0], self.rival.assurance(seeds, level)[0]
