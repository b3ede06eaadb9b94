"""Calls by TF Serving's REST API: nothing but HTTP and JSON, and no TensorFlow."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from urllib.parse import quote

import grpc
import numpy as np
import urllib3

from serving.client.answers import (
    Answer,
    ModelMetadata,
    ModelSpec,
    Signature,
    Tensor,
    VersionStatus,
    dtype_name,
)
from serving.client.errors import CallError, refused_size, too_large
from serving.client.limits import Limits
from serving.client.tls import Tls
from serving.errors import HTTP_STATUS

# Of several codes with one status the first stays.
_CODES = {status: code for code, status in reversed(HTTP_STATUS.items())}
_PIECE = 2**16


class RestTransport:
    """Connections to `http[s]://host:port`, shared by threads.

    Every method takes the seconds it may last, and raises `CallError`. The dtypes that JSON
    loses are asked for once a model, by its metadata.
    """

    def __init__(self, address: str, tls: Tls | None, limits: Limits):
        self.limits = limits
        self._address = address.rstrip("/")
        self._pool = urllib3.PoolManager(maxsize=limits.in_flight, **_tls_options(tls))
        self._signatures: dict[ModelSpec, Signature] = {}

    def close(self) -> None:
        self._pool.clear()

    def predict(
        self,
        spec: ModelSpec,
        inputs: Mapping[str, np.ndarray],
        timeout: float,
        outputs: Sequence[str] = (),
    ) -> Answer:
        """Arrays for arrays; `outputs` chooses among the signature's, all by default."""
        body = self.prepared(spec, inputs)(timeout)
        kinds = self._signature(spec, timeout).outputs
        found = body["outputs"]
        if len(kinds) == 1:
            found = {next(iter(kinds)): found}
        return Answer({name: _array(found[name], kinds[name]) for name in outputs or found})

    def prepared(
        self, spec: ModelSpec, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[float], dict]:
        """`predict` as a function of its timeout that encodes nothing and only parses JSON."""
        columns = {name: _json(np.asarray(rows).tolist()) for name, rows in inputs.items()}
        body = json.dumps({"signature_name": spec.signature, "inputs": columns}).encode()
        return lambda timeout: self._send("POST", _path(spec) + ":predict", timeout, body)

    def classify(
        self, spec: ModelSpec, examples: Sequence[Mapping[str, bytes]], timeout: float
    ) -> list[list[tuple[str, float]]]:
        """(class, score) pairs of each example, itself bytes by feature."""
        rows = [{name: _json(value) for name, value in example.items()} for example in examples]
        body = json.dumps({"signature_name": spec.signature, "examples": rows}).encode()
        answer = self._send("POST", _path(spec) + ":classify", timeout, body)
        return [[(label, score) for label, score in row] for row in answer["results"]]

    def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        answer = self._send("GET", _path(spec), timeout)
        return [
            VersionStatus(
                int(one["version"]),
                one["state"],
                one["status"]["error_code"],
                one["status"]["error_message"],
            )
            for one in answer["model_version_status"]
        ]

    def metadata(self, spec: ModelSpec, timeout: float) -> ModelMetadata:
        answer = self._send("GET", _path(spec) + "/metadata", timeout)
        signatures = answer["metadata"]["signature_def"]["signature_def"]
        return ModelMetadata(
            answer["model_spec"]["name"],
            int(answer["model_spec"]["version"]),
            {
                name: Signature(_tensors(one["inputs"]), _tensors(one["outputs"]))
                for name, one in sorted(signatures.items())
            },
        )

    def _signature(self, spec: ModelSpec, timeout: float) -> Signature:
        if spec not in self._signatures:
            self._signatures[spec] = self.metadata(spec, timeout).signatures[spec.signature]
        return self._signatures[spec]

    def _send(self, method: str, path: str, timeout: float, body: bytes = b"") -> dict:
        most = self.limits.message_bytes
        if len(body) > most:
            raise too_large("request", most, len(body))
        end = monotonic() + timeout
        try:
            with self._pool.request(
                method,
                self._address + path,
                body=body or None,
                headers={"Content-Type": "application/json"} if body else None,
                timeout=urllib3.Timeout(total=timeout),
                retries=False,
                preload_content=False,
            ) as response:
                content = _read(response, most + 1, end)
        except urllib3.exceptions.HTTPError as error:
            raise _call_error(error, timeout) from error
        if content is None:
            raise _late(timeout)
        if len(content) > most:
            raise too_large("answer", most)
        return _checked(response.status, content)


def _read(response, most: int, end: float) -> bytes | None:
    """At most so many bytes of a body; None where its end has not come by the time `end`."""
    content = bytearray()
    # In pieces as they come: the pool's timeout bounds the wait for each and not for all.
    while len(content) < most and (piece := response.read1(min(_PIECE, most - len(content)))):
        content += piece
        if monotonic() > end:
            return None
    return bytes(content)


def _late(timeout: float) -> CallError:
    return CallError(grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer within {timeout:.3g} s")


def _call_error(error: urllib3.exceptions.HTTPError, timeout: float) -> CallError:
    # A refused connection is, to urllib3, one kind of timeout.
    late = isinstance(error, urllib3.exceptions.TimeoutError)
    if late and not isinstance(error, urllib3.exceptions.NewConnectionError):
        return _late(timeout)
    return CallError(grpc.StatusCode.UNAVAILABLE, str(error))


def _tls_options(tls: Tls | None) -> dict:
    if tls is None:
        return {}
    name = tls.server_name
    return {
        "ca_certs": tls.ca and str(tls.ca),
        "cert_file": tls.cert and str(tls.cert),
        "key_file": tls.key and str(tls.key),
        **({"server_hostname": name, "assert_hostname": name} if name else {}),
    }


def _path(spec: ModelSpec) -> str:
    path = f"/v1/models/{quote(spec.name, safe='')}"
    if spec.version is not None:
        return f"{path}/versions/{spec.version}"
    return path if spec.label is None else f"{path}/labels/{quote(spec.label, safe='')}"


def _checked(status: int, content: bytes) -> dict:
    try:
        body = json.loads(content)
    except ValueError:
        # Not TF Serving: a proxy in between, or another program at this port.
        body = {"error": content[:200].decode(errors="replace").strip() or "no content"}
        status = 500 if status == 200 else status
    if status == 200 and isinstance(body, dict):
        return body
    message = body.get("error", "") if isinstance(body, dict) else "not an answer of TF Serving"
    if status == 413:
        raise refused_size(message)
    code = _CODES.get(status, grpc.StatusCode.UNKNOWN)
    raise CallError(code, f"{message} (HTTP {status})")


def _json(value):
    """Nested lists with bytes in the form that JSON has for them."""
    if isinstance(value, list):
        return [_json(one) for one in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _array(value, kind: Tensor) -> np.ndarray:
    if kind.dtype != "string":
        array = np.asarray(value, kind.dtype)
    else:
        array = np.asarray(_bytes(value), object)
    # An empty list does not tell the dimensions below it.
    return array if array.size else array.reshape([max(0, size) for size in kind.shape or (0,)])


def _bytes(value):
    if isinstance(value, list):
        return [_bytes(one) for one in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _tensors(infos: dict) -> dict[str, Tensor]:
    return {name: _tensor(info) for name, info in sorted(infos.items())}


def _tensor(info: dict) -> Tensor:
    shape = info["tensor_shape"]
    sizes = tuple(int(size["size"]) for size in shape.get("dim", ()))
    return Tensor(dtype_name(info["dtype"]), None if shape.get("unknown_rank") else sizes)
