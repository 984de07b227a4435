"""Counts in words, for every part of the program."""


def count(number: int, thing: str) -> str:
    """1 trial, 2 trials."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
