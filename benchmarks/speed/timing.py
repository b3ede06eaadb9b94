"""Timing a step; nothing here needs TensorFlow or PyTorch.

A step's time by the clock grows with whatever else runs; the time that processors spent on it
(`processor`, of all threads) hardly does, and tells more where a machine is shared.
"""

import re
import resource
import statistics
import time
from pathlib import Path

WARM_UP = 3


def timed(step, seconds, warm_up=WARM_UP):
    """Calls a step over and over.

    Args:
        step: called without arguments; returns when its work is done.
        seconds: how long to measure; at least three steps are.
        warm_up: steps before that do not count.

    Returns:
        {"seconds": [of each step], "processor": [seconds of all its threads, of each step]}.
    """
    for _ in range(warm_up):
        step()
    found, processor, end = [], [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 3:
        start, used = time.perf_counter(), time.process_time()
        step()
        found.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return {"seconds": found, "processor": processor}


def join(turns):
    """The steps of several turns of `timed` as one."""
    return {key: [value for turn in turns for value in turn[key]] for key in turns[0]}


def summary(timed, images):
    """What a step costs: the median, and what load on the machine hardly changes.

    Args:
        timed: as `timed` or `join` gives it.
        images: in one step, both domains counted.
    """
    seconds = timed["seconds"]
    median = statistics.median(seconds)
    return {
        "steps": len(seconds),
        "ms": 1e3 * median,
        "ms_fastest": 1e3 * min(seconds),
        "ms_processor": 1e3 * statistics.median(timed["processor"]),
        "images_per_second": images / median,
    }


def peak_memory():
    """The most this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def held(process="self"):
    """MiB that this process, or that of a number, holds: by kind, as Linux tells."""
    lines = Path(f"/proc/{process}/status").read_text()
    return {kind: int(kib) / 1024 for kind, kib in re.findall(r"^(Rss\w+):\s+(\d+)", lines, re.M)}
