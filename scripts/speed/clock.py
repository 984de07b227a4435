"""The clock that all sides are measured by: the wall's, or the processor's, which other work leaves alone."""

import os
import resource
import time

# Also for processes that are started, such as the bare loop's own.
BY_PROCESSOR = "LITMUS_CLOCK_CPU"


def seconds() -> float:
    """Seconds of this process."""
    return time.process_time() if os.environ.get(BY_PROCESSOR) else time.perf_counter()


def seconds_with_children() -> float:
    """Seconds of the processes that this one started and that ended; on the wall, seconds of this one."""
    if not os.environ.get(BY_PROCESSOR):
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
