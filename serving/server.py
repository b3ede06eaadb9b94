"""`python -m serving.server`: serves SavedModels over TensorFlow Serving's APIs."""

import logging
import os
import signal
import sys
import threading

from serving import cli, options

_LOOK_SECONDS = 0.2
_KEPT_BYTES = 2**23


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
    _keep_memory()
    batching = parameters_of(settings)
    with cli.loading_tensorflow():
        from serving.computing import interrupt_nobody, start_tensorflow

        start_tensorflow(settings, batching)
    if settings.own_machine:
        interrupt_nobody()
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


def _keep_memory():
    """Has the C library keep what large requests have had, instead of giving it back each time.

    The system gives it out again page by page, by hundreds of faults for a request of 32 images.
    glibc keeps, for each of its heaps, twice as much as the largest block that it has seen freed.
    """
    bytearray(_KEPT_BYTES)


def _on_signals(handle):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: handle(number))


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
