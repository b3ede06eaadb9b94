"""`python -m serving.server`: serves SavedModels over TensorFlow Serving's APIs."""

import logging
import os
import signal
import sys
import threading

from serving import cli, options

_LOOK_SECONDS = 0.2
_MOST_THREADS = 128
# Beside those of batches: for the warm-up of a new version, and for a request without rows.
_SPARE_THREADS = 2


def run(arguments: list[str]) -> None:
    """Serves until SIGTERM or SIGINT, then ends the process with code 0."""
    settings = options.parse(arguments)
    # gRPC, which usage errors do without.
    from serving.batching_parameters import parameters_of
    from serving.ports import check_ports

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    # Until it listens it has promised nothing to anybody. (As the first process of a container it
    # would not hear of a signal without a handler.) An exception would not do: it is raised
    # wherever Python is, which may be a callback or a destructor that swallows it.
    _on_signals(lambda number: os._exit(128 + number))
    check_ports(settings)
    batching = parameters_of(settings)
    with cli.loading_tensorflow():
        import tensorflow as tf

        _set_threads(tf, settings, batching)
        tf.config.list_physical_devices()
    from serving.app import App

    app = App(settings)
    app.load()
    ended = threading.Event()
    _on_signals(lambda _: ended.set())
    app.listen()
    _tell(app, settings)
    # Not for ever at a time: a signal that the system hands to another thread does not wake this
    # one, and Python runs its handler only when this one runs.
    while not ended.wait(_LOOK_SECONDS):
        pass
    print("stopping: no new requests, those in flight are answered", flush=True)
    app.stop()
    print("stopped", flush=True)
    # Nothing is left to do, and taking TensorFlow down in order takes seconds; a load that is still
    # under way would not survive it.
    sys.stderr.flush()
    os._exit(0)


def _on_signals(handle):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: handle(number))


def _set_threads(tf, settings, batching):
    threading = tf.config.threading
    threading.set_intra_op_parallelism_threads(settings.tensorflow_intra_op_parallelism)
    # A computation keeps one of these threads from its beginning to its end. With TensorFlow's
    # own number, that of the cores, as many long requests would keep all short ones waiting. Idle
    # ones cost: each part of a batch wakes some (docs/benchmarks.md).
    most = batching.num_batch_threads + _SPARE_THREADS if batching else settings.max_in_flight
    threading.set_inter_op_parallelism_threads(
        settings.tensorflow_inter_op_parallelism or min(most, _MOST_THREADS)
    )


def _tell(app, settings):
    for name, servables in sorted(app.models.available().items()):
        for servable in servables:
            # Names with underscores before them are TensorFlow's own.
            names = sorted(key for key in servable.signatures if not key.startswith("__"))
            print(f"model {name} version {servable.version}: {', '.join(names)}")
    tls = " (TLS)" if settings.ssl_config_file else ""
    print(f"gRPC on {settings.authority(app.port)}{tls}")
    if app.rest_port is not None:
        print(f"REST on http://{settings.authority(app.rest_port)}/v1/models/NAME")
    print("ready", flush=True)


if __name__ == "__main__":
    sys.exit(cli.main(run))
