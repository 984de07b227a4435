"""One spelling of an arm, wherever it is said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from litmus.claims.notation import number
from litmus.claims.notation import text as written

if TYPE_CHECKING:
    from litmus.claims.study import Study


def spelled(study: Study, text: str) -> str:
    """An arm's name, or words with arms in them: instance, dropout 0.1; of several factors, dropout 0.1, norm instance.

    A factor is left out where it is the only one and its level is a word.
    """
    # Beside arms that have names of their own, a factor's level alone is no arm.
    if len(study.varied) == 1 and not study.factors:
        return _parted(text)
    for factor in study.varied:
        named = rf"(?<![\w.]){re.escape(factor)}[= ]"
        if len(study.varied) == 1:
            levels = {written(arm[factor]) for arm in study.arms.values() if factor in arm}
            for level in levels - {"true", "false", "null"}:
                if number(level) is None and re.fullmatch(r"[^\W\d]\S*", level):
                    text = re.sub(rf"{named}{re.escape(level)}(?![\w.])", level, text)
        text = re.sub(named + r"(?=\S)", f"{factor} ", text)
    return _parted(text)


def _parted(text: str) -> str:
    return re.sub(r",(?=\S)(?![^\[]*\])", ", ", text)
