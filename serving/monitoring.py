"""Prometheus metrics under the names of TensorFlow Serving's."""

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_PREFIX = ":tensorflow:serving:"
# Microseconds, rising by 1.8 as TensorFlow Serving's do.
_BUCKETS = tuple(10 * 1.8**n for n in range(33))
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counts requests and their times, by model and kind."""

    def __init__(self):
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._count = Counter(
            f"{_PREFIX}request_count",
            "The total number of requests.",
            ("model_name", "status"),
            registry=self._registry,
        )
        self._latency = self._histogram(
            "request_latency",
            "Distribution of wall time (in microseconds) for Tensorflow Serving request.",
            ("model_name", "API", "entrypoint"),
        )
        self._runtime = self._histogram(
            "runtime_latency",
            "Distribution of wall time (in microseconds) for Tensorflow runtime.",
            ("model_name", "API", "runtime"),
        )

    def observe(self, model: str, method: str, api: str, status: str, seconds: float) -> None:
        """Notes a request that has been answered.

        Args:
            model: its name; "" where the request named none.
            method: such as Predict.
            api: GRPC or REST.
            status: a gRPC status's name.
            seconds: that it took.
        """
        self._count.labels(model, status).inc()
        self._latency.labels(model, method, api).observe(seconds * 1e6)

    def observe_runtime(self, model: str, signature: str, seconds: float) -> None:
        """Notes a run of a model's graph."""
        self._runtime.labels(model, signature, "TF2").observe(seconds * 1e6)

    def page(self) -> bytes:
        """All of them as Prometheus reads them."""
        text = generate_latest(self._registry)
        # TensorFlow Serving's counters carry no suffix.
        return text.replace(b"request_count_total", b"request_count")

    def _histogram(self, name, text, labels):
        return Histogram(
            f"{_PREFIX}{name}", text, labels, buckets=_BUCKETS, registry=self._registry
        )
