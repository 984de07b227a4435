"""One seed, many independent uses."""

import hashlib


def derived_seed(*key: object) -> int:
    """A 63-bit seed of its own for each key, so that no two uses of one seed share random numbers."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big") >> 1
