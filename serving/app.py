"""The server put together: models, batching, gRPC, REST, and what watches the folders."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from serving.batching import Batcher, Direct
from serving.batching_parameters import parameters_of
from serving.calls import InFlight
from serving.config_files import read_monitoring, read_ssl
from serving.errors import StartError
from serving.grpc_service import GrpcServer
from serving.http_server import HttpServer
from serving.inference import Settings
from serving.models import Models
from serving.monitoring import Metrics
from serving.options import Options
from serving.rest import METRICS_PATH, Rest
from serving.servable import Servable
from serving.service import Service
from serving.sources import ModelSource
from serving.warmup import warm_up

log = logging.getLogger(__name__)
# Threads beyond those that run models or wait for them: for what is turned away, and for status.
_SPARE_THREADS = 64
# The ports close once nobody has asked for anything for so long, or has gone on asking for longer.
_QUIET_SECONDS = 0.5
_REFUSE_SECONDS = 3


class App:
    """A server of the options: `load`, `listen`, then `stop`.

    Attributes:
        port, rest_port: where it listens once started; `rest_port` is None without REST.
        models: those it serves.
        in_flight: what it is answering.

    Raises:
        UsageError: a configuration file is wrong.
    """

    def __init__(self, options: Options):
        self._options = options
        self.port: int | None = None
        self.rest_port: int | None = None
        self._credentials = _credentials(options.ssl_config_file)
        self._metrics = Metrics()
        most = options.max_in_flight
        metrics_path = _metrics_path(options.monitoring_config_file)
        batching = parameters_of(options)
        self._threads = ThreadPoolExecutor(most + _SPARE_THREADS, "requests")
        alone = Direct(self._threads)
        self._runner = Batcher(batching, alone) if batching else alone
        self.models = Models(self._load)
        self._source = ModelSource(options, self.models)
        self.in_flight = InFlight(
            most,
            f"Too many requests in flight: the server answers {most} at a time (--max-in-flight).",
        )
        service = Service(
            self.models,
            self._runner,
            self.in_flight,
            Settings(options.max_message_bytes, options.tensor_content),
            self._metrics,
            self._threads,
        )
        self._grpc = GrpcServer(
            service,
            self._threads,
            most,
            options.max_message_bytes,
            options.channel_arguments(),
        )
        rest = Rest(service, self._metrics, metrics_path, options.rest_timeout_ms / 1000)
        self._rest = HttpServer(rest, most, options.max_message_bytes)

    def load(self) -> None:
        """Loads the models.

        Raises:
            StartError: no model can be loaded.
            UsageError: the models' configuration is wrong.
        """
        self._source.load()

    def listen(self) -> None:
        """Opens the ports, and keeps looking for models from now on; raises StartError."""
        options = self._options
        address = options.authority(options.port)
        try:
            self.port = self._grpc.bind(address, self._credentials)
        except RuntimeError as error:
            hint = " (or --ssl-config-file: a key or certificate)" if self._credentials else ""
            raise StartError(f"--port{hint}: cannot listen on {address}: {error}") from error
        if options.rest:
            try:
                self.rest_port = self._rest.start(options.host, options.rest_port)
            except OSError as error:
                raise StartError(f"--rest-port: cannot listen: {error}") from error
        self._grpc.start()
        self._source.watch()

    def stop(self) -> None:
        """Goes out of service: answers what is in flight, refuses what comes, lets all go.

        A load that is under way goes on in its thread.
        """
        end = time.monotonic() + self._options.grace_seconds
        self._source.close()
        self._grpc.leave()
        # First the service refuses, while the ports still answer: calls that gRPC has received
        # but not yet handed over end as CANCELLED when its server stops, which no client retries.
        self.in_flight.close()
        self.in_flight.drain(end - time.monotonic())
        patience = time.monotonic() + _REFUSE_SECONDS
        while self.in_flight.quiet() < _QUIET_SECONDS and time.monotonic() < patience:
            time.sleep(_QUIET_SECONDS / 10)
        self._grpc.stop()
        if self.rest_port is not None:
            self._rest.stop()
        self._runner.close()
        # Not waited for: what a client has given up may take its time to end.
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.models.close(end - time.monotonic())

    def _load(self, name, version, folder):
        start = time.perf_counter()
        servable = Servable(name, version, folder, self._metrics.observe_runtime)
        warm_up(servable, folder)
        log.info("model %s version %d loaded in %.1f s", name, version, time.perf_counter() - start)
        return servable


def _credentials(path):
    if path is None:
        return None
    config = read_ssl(path)
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def _metrics_path(path):
    if path is None:
        return METRICS_PATH
    config = read_monitoring(path).prometheus_config
    return (config.path or METRICS_PATH) if config.enable else None
