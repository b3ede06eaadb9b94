"""The threads that TensorFlow computes with: how many, and which threads go before them."""

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from serving.batching_parameters import BatchingParameters
from serving.options import Options

log = logging.getLogger(__name__)
_MOST_THREADS = 128
# Beside those of batches: for the warm-up of a new version, and for a request without rows.
_SPARE_THREADS = 2
# As `nice` counts: about a third of a processor's time against a thread that wants it too.
_NICENESS = 5


def start_tensorflow(settings: Options, batching: BatchingParameters | None) -> None:
    """Makes TensorFlow's pools of threads, for the whole process.

    On Linux they come after what receives and answers requests: those then wait where they are
    gathered into batches, and not for a processor (docs/benchmarks.md).

    Args:
        settings: numbers of threads, among others.
        batching: None without batching.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(settings.tensorflow_intra_op_parallelism)
    tf.config.threading.set_inter_op_parallelism_threads(
        settings.tensorflow_inter_op_parallelism or _at_once(settings, batching)
    )
    # The pools' threads have the priority of the one that makes them.
    with ThreadPoolExecutor(1) as maker:
        maker.submit(_make_pools, tf).result()


def interrupt_nobody() -> None:
    """Has this thread, and those it makes from now on, interrupt no other (on Linux).

    A call makes several events, each a few microseconds of work for what receives and answers.
    Where all processors are busy, threads of SCHED_BATCH wait for one to be free or for the next
    tick; that, we think, is why 32 clients get 7 % more answers: fewer switches, several events at
    a time. Beside other busy programs a single client waits much longer (both measured in
    docs/benchmarks.md). To be called once TensorFlow's threads are made, which are to go on waking
    each other, and before gRPC's are.
    """
    if sys.platform != "linux":
        log.warning("--own-machine has no effect but on Linux")
        return
    try:
        # Whoever has started the server in another class has meant it.
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        else:
            log.warning("--own-machine has no effect: the server has a scheduling class already")
    except OSError as error:
        # Not every sandbox has the class or allows it: slower there, and no more.
        log.warning("--own-machine has no effect here: %s", error)


def _at_once(settings, batching):
    # A computation keeps one of these threads from its beginning to its end. With TensorFlow's
    # own number, that of the cores, as many long requests would keep all short ones waiting. Idle
    # ones cost: each part of a batch wakes some (docs/benchmarks.md).
    most = batching.num_batch_threads + _SPARE_THREADS if batching else settings.max_in_flight
    return min(most, _MOST_THREADS)


def _make_pools(tf):
    if sys.platform == "linux":
        # This thread's alone there; elsewhere it would be the whole process's.
        os.nice(_NICENESS)
    tf.config.list_logical_devices()
