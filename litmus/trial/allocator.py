"""The memory of big tensors: kept from one update to the next, and freed from one run to the next."""

import ctypes
import gc
from functools import cache
from itertools import count

# Of glibc's malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30


@cache
def keep_big_buffers() -> None:
    """Has glibc reuse freed memory, up to a gigabyte, that it would return to the system; elsewhere nothing.

    Every update of a convolutional net frees its activations and needs the same again: without this each of their pages
    is fetched anew, which takes a tenth of the time of a net 4×32 on 28×28 images.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(TRIM_THRESHOLD, KEPT_BYTES)
        libc.mallopt(MMAP_THRESHOLD, KEPT_BYTES)
    except (AttributeError, OSError, TypeError):  # another C library
        return


_runs = count(1)


def free_earlier_runs() -> None:
    """Frees what earlier runs of this process left: Lightning's objects refer to each other in circles, with the data.

    Python looks for circles by the number of objects and not by their size: a study of an MLP on Fashion-MNIST grew to
    5.5 GB. What was imported before the first run, and while it ran, is not searched, which takes half a second each
    time otherwise.
    """
    number = next(_runs)
    if number > 1:
        gc.collect()
    if number <= 2:
        gc.freeze()
