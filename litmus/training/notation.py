"""A column of texts that was meant to be numbers: read where it can be, refused where one would have to guess."""

import json
import re
import shlex
from collections.abc import Sequence

import polars as pl

# What programs write where there is no number, in small letters; beside numbers these are no category of theirs.
ABSENT = frozenset(("na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "null", "?", "-", "--", "–", "—", "."))
# A sign, a currency, digits with marks between thousands or before decimals, an exponent, a unit that is a sign.
ELSEWHERE = (
    r"^[+\-−–]?\s?[$€£¥]?\s?[+\-−–]?"
    r"(\d+([.,]\d*)?|[.,]\d+|\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?|\d{1,3}(\.\d{3})+(,\d*)?"
    r"|\d{1,3}([ '’\x{a0}\x{202f}]\d{3})+([.,]\d*)?)"
    r"([eE][+\-]?\d+)?\s?[%‰$€£¥]?$"
)
# As Hydra reads a text where no quotes are around it.
BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
NO_TEXT = ("nan", "null", "true", "false", "inf")


def typed_list(knob: str, texts: Sequence[str]) -> str:
    """`knob=[one,two]` as a shell takes it and Hydra reads texts of it."""
    quoted = [
        text if BARE.fullmatch(text) and text.lower() not in NO_TEXT else json.dumps(text, ensure_ascii=False)
        for text in texts
    ]
    told = f"{knob}=[{','.join(quoted)}]"
    return shlex.quote(told) if '"' in told else told


def as_numbers(cells: pl.Series, decimal: str) -> pl.Series:
    """The numbers that texts without padding are, whole ones if all are; null where one is none."""
    if decimal == ",":  # a point there may stand between thousands
        cells = cells.set(cells.str.contains(".", literal=True), None).str.replace(",", ".", literal=True)
    whole = cells.cast(pl.Int64, strict=False)
    return whole if whole.count() == cells.count() else cells.cast(pl.Float64, strict=False)


def refuse_unread_numbers(cells: pl.Series, what: str, decimal: str, missing: Sequence[str]) -> None:
    """Refuses texts among which are numbers, unless they are plainly categories of which some have a number's name.

    They are numbers where these outnumber the other texts, where a word that stands for a missing one is among those,
    or where a single text without a digit is all of them; numbers of another notation count as such.

    Args:
        cells: texts without padding, null where one is missing.
        what: the column, for a sentence.
        decimal: what stands before decimals.
        missing: what was said to stand for a missing value.

    Raises:
        ValueError: naming the first text that is no number, and what may be said of it.
    """
    there = cells.is_not_null()
    read = as_numbers(cells, decimal).cast(pl.Float64).is_finite().fill_null(False)
    other = there & ~read & cells.str.contains(ELSEWHERE).fill_null(False)
    absent = there & ~read & cells.str.to_lowercase().is_in(list(ABSENT)).fill_null(False)
    rest = there & ~read & ~other & ~absent
    number, foreign, texts = int((read | other).sum()), int(other.sum()), int(rest.sum())
    categories = f"{typed_list('data.categories', [cells.name])} says that the column holds categories"
    if foreign and texts < number:
        sign = "," if decimal == "." else "."
        swapped = as_numbers(cells.filter(read | other), sign)
        reads = f"""'data.decimal="{sign}"' reads it if its mark stands before decimals, """
        raise ValueError(
            f"{what}: expected numbers as 1234{decimal}5, found {_first(cells, other)}; "
            f"{reads if swapped.null_count() == 0 else ''}write them as 1234{decimal}5, or {categories}"
        )
    unread = rest | absent
    single = cells.filter(unread).n_unique() == 1 and not cells.filter(unread).str.contains(r"\d").any()
    if number and unread.any() and (absent.any() or texts < number or single):
        named = absent if absent.any() else rest
        text = cells.filter(named)[0]
        raise ValueError(
            f"{what}: expected numbers as in {number} rows, found {_first(cells, named)}; mend the cell, or "
            f"{typed_list('data.missing_values', [*missing, text])} says that it stands for a missing value, "
            f"{categories}"
        )


def _first(cells: pl.Series, chosen: pl.Series) -> str:
    rows = chosen.arg_true()
    others = f" and the like in {len(rows) - 1} others" if len(rows) > 1 else ""
    return f"{cells[int(rows[0])][:60]} in row {rows[0] + 1}{others}"
