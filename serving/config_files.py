"""The text files of TensorFlow Serving: models, batching, TLS and monitoring.

The `tensorflow-serving-api` wheel carries the schema of the first alone. The fields of the others
are declared here, under the names and numbers of tensorflow/serving, for protobuf's own parser.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from serving.cli import UsageError

_PACKAGE = "cdd_keras.serving"
_TYPES = descriptor_pb2.FieldDescriptorProto
# {message: {field: (number, kind)}}
_MESSAGES = {
    "IntegerValue": {"value": (1, "int64")},
    "BoolValue": {"value": (1, "bool")},
    "StringValue": {"value": (1, "string")},
    # session_bundle_config.proto
    "BatchingParameters": {
        "max_batch_size": (1, "IntegerValue"),
        "batch_timeout_micros": (2, "IntegerValue"),
        "max_enqueued_batches": (3, "IntegerValue"),
        "num_batch_threads": (4, "IntegerValue"),
        "thread_pool_name": (5, "StringValue"),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
        "enable_large_batch_splitting": (8, "BoolValue"),
        "max_execution_batch_size": (9, "IntegerValue"),
    },
    # ssl_config.proto
    "SSLConfig": {
        "server_key": (1, "string"),
        "server_cert": (2, "string"),
        "custom_ca": (3, "string"),
        "client_verify": (4, "bool"),
    },
    # monitoring_config.proto
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
}
_SCALARS = {
    "int64": _TYPES.TYPE_INT64,
    "bool": _TYPES.TYPE_BOOL,
    "string": _TYPES.TYPE_STRING,
}


def read_model_config(path: str):
    """A `ModelServerConfig` of a `--model-config-file`.

    Raises:
        UsageError: it cannot be read or parsed, or names no list of models.
    """
    from tensorflow_serving.config import model_server_config_pb2

    config = _read(path, model_server_config_pb2.ModelServerConfig())
    kind = config.WhichOneof("config")
    if kind is None:
        # Also what a file is for a moment while an editor saves it.
        raise UsageError(f"{path}: there is no model_config_list in it.")
    if kind == "custom_model_config":
        raise UsageError(f"{path}: custom_model_config is not supported; use model_config_list.")
    return config


def read_batching(path: str):
    """A `BatchingParameters` of a `--batching-parameters-file`; raises UsageError."""
    return _read(path, _new("BatchingParameters"))


def read_ssl(path: str):
    """An `SSLConfig` of an `--ssl-config-file`; raises UsageError."""
    config = _read(path, _new("SSLConfig"))
    for field in ("server_key", "server_cert"):
        if not getattr(config, field):
            raise UsageError(f"{path}: {field} is missing; expected PEM text.")
    if config.client_verify and not config.custom_ca:
        raise UsageError(f"{path}: client_verify needs custom_ca, the PEM text of the clients' CA.")
    return config


def read_monitoring(path: str):
    """A `MonitoringConfig` of a `--monitoring-config-file`; raises UsageError."""
    return _read(path, _new("MonitoringConfig"))


def _read(path, message):
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        # The beginning is TensorFlow Serving's.
        raise UsageError(
            f"Invalid protobuf file: '{path}': expected a {message.DESCRIPTOR.name}: {error}"
        ) from error


def _new(name):
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))()


def _pool():
    file = descriptor_pb2.FileDescriptorProto(
        name="cdd_keras_serving_config.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            repeated = kind.startswith("repeated ")
            kind = kind.removeprefix("repeated ")
            one = message.field.add(name=field, number=number)
            one.label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
            if kind in _SCALARS:
                one.type = _SCALARS[kind]
            else:
                one.type, one.type_name = _TYPES.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()
