"""What the server can be told, as flags and as a checked record of them."""

from dataclasses import dataclass
from pathlib import Path

from serving import cli
from serving.cli import UsageError

DESCRIPTION = (
    "Serve SavedModels over TensorFlow Serving's gRPC and REST APIs, on machines without "
    "TensorFlow Serving."
)
_MIB = 2**20


@dataclass(frozen=True)
class Options:
    """The server's settings; see `--help` for each.

    Raises:
        UsageError: values that cannot be meant, each named by its flag.
    """

    model_base_path: str | None = None
    model_name: str | None = None
    model_config_file: str | None = None
    model_config_file_poll_wait_seconds: float = 0
    file_system_poll_wait_seconds: float = 1
    host: str = "0.0.0.0"
    port: int = 8500
    rest_port: int = 8501
    rest: bool = True
    rest_timeout_ms: int = 30_000
    enable_batching: bool = False
    batching_parameters_file: str | None = None
    monitoring_config_file: str | None = None
    ssl_config_file: str | None = None
    grpc_channel_arguments: str = ""
    max_in_flight: int = 64
    max_message_bytes: int = 64 * _MIB
    tensor_content: bool = False
    grace_seconds: float = 30
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    own_machine: bool = False

    def __post_init__(self):
        if (self.model_base_path is None) == (self.model_config_file is None):
            raise UsageError("give either --model-base-path or --model-config-file.")
        if self.model_name is not None and self.model_base_path is None:
            raise UsageError("--model-name needs --model-base-path, that model's folder.")
        if self.model_base_path is not None and not Path(self.model_base_path).is_dir():
            raise UsageError(f"--model-base-path: {self.model_base_path} is not a folder.")
        if self.batching_parameters_file and not self.enable_batching:
            raise UsageError("--batching-parameters-file needs --enable-batching.")
        for name in ("port", "rest_port"):
            if not 0 <= getattr(self, name) < 2**16:
                raise UsageError(f"{flag(name)}: {getattr(self, name)}; expected 0 to 65535.")
        if self.rest and self.port and self.port == self.rest_port:
            raise UsageError(f"--port and --rest-port are both {self.port}; expected two ports.")
        self._at_least(1, "max_in_flight", "max_message_bytes", "rest_timeout_ms")
        self._at_least(
            0,
            *("model_config_file_poll_wait_seconds", "file_system_poll_wait_seconds"),
            *("tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism"),
            "grace_seconds",
        )
        self.channel_arguments()
        # IPv6 addresses come with brackets or without.
        object.__setattr__(self, "host", self.host.strip("[]"))

    def authority(self, port: int) -> str:
        """`host:port` as URLs and gRPC write it."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    def channel_arguments(self) -> tuple[tuple[str, object], ...]:
        """`--grpc-channel-arguments` as gRPC takes them: numbers where they are numbers."""
        pairs = []
        for item in filter(None, self.grpc_channel_arguments.split(",")):
            name, equals, value = item.partition("=")
            if not equals or not name:
                raise UsageError(
                    f"--grpc-channel-arguments: {item!r}; expected name=value, ... such as "
                    "grpc.max_connection_age_ms=2000"
                )
            pairs.append((name, int(value) if value.lstrip("-").isdigit() else value))
        return tuple(pairs)

    def _at_least(self, least, *names):
        for name in names:
            # Not `<`, which NaN passes.
            if not getattr(self, name) >= least:
                raise UsageError(f"{flag(name)}: {getattr(self, name)}; expected {least} or more.")


def flag(name: str) -> str:
    """The flag of a setting."""
    return "--" + name.replace("_", "-")


def parse(arguments: list[str]) -> Options:
    """The settings of a command line; raises UsageError."""
    values = vars(_parser().parse_args(arguments))
    del values["debug"]
    return Options(**values)


def _parser():
    parser = cli.Parser("server", DESCRIPTION)
    models = parser.add_argument_group("models")
    _add(models, "model_base_path", str, "DIR", "folder of models: DIR/NAME/VERSION/")
    _add(
        *(models, "model_name", str, "NAME"),
        "serve one model under this name; --model-base-path is then its own folder, as "
        "TensorFlow Serving has it",
    )
    _add(models, "model_config_file", str, "FILE", "models as a ModelServerConfig text file")
    _add(
        *(models, "model_config_file_poll_wait_seconds", float, "S"),
        "read that file again so often (0: only at the start)",
    )
    _add(
        *(models, "file_system_poll_wait_seconds", float, "S"),
        "look for new versions so often (0: only at the start)",
    )
    ports = parser.add_argument_group("ports")
    _add(ports, "host", str, "ADDRESS", "address to listen on")
    _add(ports, "port", int, "N", "gRPC (0: any free one)")
    _add(ports, "rest_port", int, "N", "REST and metrics (0: any free one)")
    ports.add_argument("--no-rest", dest="rest", action="store_false", help="gRPC alone")
    _add(ports, "rest_timeout_ms", int, "N", "time for a REST request")
    _add(ports, "ssl_config_file", str, "FILE", "TLS for gRPC, as an SSLConfig text file")
    _add(ports, "grpc_channel_arguments", str, "A=B,...", "arguments for gRPC's channels")
    _add(ports, "monitoring_config_file", str, "FILE", "a MonitoringConfig text file")
    work = parser.add_argument_group("work")
    work.add_argument("--enable-batching", action="store_true", help="gather requests into batches")
    _add(work, "batching_parameters_file", str, "FILE", "a BatchingParameters text file")
    _add(work, "max_in_flight", int, "N", "requests answered at a time; more are turned away")
    _add(
        work, "max_message_bytes", int, "N", "most bytes of a message, and of its tensors in memory"
    )
    work.add_argument(
        "--tensor-content", action="store_true", help="answer in tensor_content, not float_val"
    )
    _add(work, "grace_seconds", float, "S", "time for requests in flight when told to stop")
    _add(
        work, "tensorflow_intra_op_parallelism", int, "N", "threads of an operation (0: one a core)"
    )
    _add(
        work,
        "tensorflow_inter_op_parallelism",
        int,
        "N",
        "operations at a time (0: --max-in-flight; with batching, two more than num_batch_threads)",
    )
    work.add_argument(
        "--own-machine",
        action="store_true",
        help="nothing else is busy here: interrupt no thread for an event of a call (Linux)",
    )
    return parser


def _add(group, name, kind, metavar, text):
    default = Options.__dataclass_fields__[name].default
    shown = "" if default in (None, "") else f" (default {default})"
    group.add_argument(flag(name), type=kind, metavar=metavar, default=default, help=text + shown)
