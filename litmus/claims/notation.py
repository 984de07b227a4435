"""How values are written: one text per setting, so that 0.1, "0.10" and 1e-1 are the same level."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litmus.claims.study import Study


def number(value: object) -> float | None:
    """The number that a value or its text stands for ("nan" and "inf" included), None for anything that no float is.

    Digits with underscores, 1_0, are text: only Python reads a number in them.
    """
    if isinstance(value, bool) or value is None or (isinstance(value, str) and "_" in value):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def whole(value: Any) -> int | None:
    """The whole number that a value or its text stands for, to its last digit; None for anything else."""
    amount = number(value)
    if amount is None or not amount.is_integer():
        return None
    try:
        return int(amount if isinstance(value, float) else value)
    except ValueError:  # 1e3
        return int(amount)


def text(value: Any) -> str:
    """One canonical text per setting value: numbers by value, booleans and null as YAML writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(text(part) for part in value) + "]"
    amount = number(value)
    if amount is None or not math.isfinite(amount):
        stripped = str(value).strip()
        if stripped.startswith("["):
            return stripped.replace(" ", "")
        return stripped.lower() if stripped.lower() in ("true", "false", "null") else stripped
    short, exact = f"{amount:.12g}", whole(value)
    return short if exact is None or int(float(short)) == exact else str(exact)


def percent(value: object) -> float | None:
    """The fraction that "2%" or "2 %" stands for, None when the value is not written in per cent."""
    if not isinstance(value, str) or not value.strip().endswith("%"):
        return None
    amount = number(value.strip()[:-1])
    return None if amount is None else amount / 100


def signed(value: float, digits: int = 3) -> str:
    """A change with its sign, a true minus, and a few significant digits: +0.0123, −4.5, +12,500."""
    whole = 10**digits <= abs(value) < 1e15
    # Adding zero takes the sign from a zero that is none.
    return (f"{value:+,.0f}" if whole else f"{value + 0.0:+.{digits}g}").replace("-", "−")


def shortened(digests: Sequence[str], least: int = 6) -> dict[str, str]:
    """Each digest as short as it can be told from the others."""
    different = set(digests)
    lengths = range(least, max(map(len, different), default=0) + 1)
    enough = (length for length in lengths if len({digest[:length] for digest in different}) == len(different))
    length = next(enough, None)
    return {digest: digest[:length] for digest in digests}


def listing(names: Sequence[object], most: int = 8) -> str:
    """Names in one line, cut after a few: a, b, c and 5 more."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def spelled(study: Study, words: str) -> str:
    """An arm's name, or words with arms in them: instance, dropout 0.1; of several factors, dropout 0.1, norm instance.

    A factor is left out where it is the only one and its level is a word.
    """
    # Beside arms that have names of their own, a factor's level alone is no arm.
    if len(study.varied) == 1 and not study.factors:
        return _parted(words)
    for factor in study.varied:
        named = rf"(?<![\w.]){re.escape(factor)}[= ]"
        if len(study.varied) == 1:
            levels = {text(arm[factor]) for arm in study.arms.values() if factor in arm}
            for level in levels - {"true", "false", "null"}:
                if number(level) is None and re.fullmatch(r"[^\W\d]\S*", level):
                    words = re.sub(rf"{named}{re.escape(level)}(?![\w.])", _verbatim(level), words)
        words = re.sub(named + r"(?=\S)", _verbatim(f"{factor} "), words)
    return _parted(words)


def _verbatim(replacement: str) -> str:
    """For re.sub, which reads backslashes."""
    return replacement.replace("\\", r"\\")


def _parted(text: str) -> str:
    return re.sub(r",(?=\S)(?![^\[]*\])", ", ", text)
