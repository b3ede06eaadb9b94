"""Timing a step; nothing here needs TensorFlow or PyTorch."""

import resource
import statistics
import time

WARM_UP = 3


def timed(step, seconds, warm_up=WARM_UP):
    """Calls a step over and over.

    Args:
        step: called without arguments; returns when its work is done.
        seconds: how long to measure; at least three steps are.
        warm_up: steps before that do not count.

    Returns:
        {"seconds": [of each step]}.
    """
    for _ in range(warm_up):
        step()
    found, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 3:
        start = time.perf_counter()
        step()
        found.append(time.perf_counter() - start)
    return {"seconds": found}


def summary(seconds, images):
    """Figures of the steps of all rounds: the median is what a step costs.

    Args:
        seconds: of each step.
        images: in one step, both domains counted.
    """
    median = statistics.median(seconds)
    return {
        "steps": len(seconds),
        "ms": 1e3 * median,
        "ms_fastest": 1e3 * min(seconds),
        "images_per_second": images / median,
    }


def peak_memory():
    """The most this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
