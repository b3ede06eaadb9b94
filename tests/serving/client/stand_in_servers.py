"""Small servers with answers that can be worked out by hand, over real sockets.

Both serve one classifier and one generator with the signatures of an export. A picture's score is
its mean grey; a picture drawn is all of one colour, told by what was asked.
"""

import base64
import io
import json
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import grpc
import numpy as np
from PIL import Image

from serving.client import Retries

NAMES = ("dark", "bright")
SIDE = 4
QUICK = Retries(count=5, first_delay=0.002, longest_delay=0.01)


def brightness(file: bytes) -> float:
    """Mean grey of an image file in [0, 1], read by what it says alone: no EXIF, no alpha."""
    image = Image.open(io.BytesIO(file))
    assert image.mode in ("RGB", "L"), image.mode
    return float(np.asarray(image.convert("L")).mean()) / 255


def scores_of(files) -> np.ndarray:
    """float32 (n, 2): dark, bright."""
    bright = np.array([brightness(file) for file in files], np.float32)
    return np.stack([1 - bright, bright], 1).reshape(-1, 2).astype(np.float32)


def png_of(*colour) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), colour).save(file, "PNG")
    return file.getvalue()


def grey_of(label) -> int:
    return 100 + int(label)


def answer(signature: str, inputs: dict) -> dict:
    """Arrays for arrays."""
    if signature in ("predict_bytes", "source_bytes"):
        scores = scores_of(inputs["image_bytes"])
        # The source's signature is told apart by its turned scores.
        scores = scores[:, ::-1] if signature == "source_bytes" else scores
        return {"scores": scores, "class_ids": scores.argmax(1)}
    if signature == "serving_default_png":
        rows = zip(inputs["label"], inputs["seed"], inputs["domain"], strict=True)
        files = [png_of(grey_of(label), seed % 256, domain) for label, seed, domain in rows]
    elif signature == "translate_bytes_png":
        columns = (inputs[name] for name in ("label", "source_domain", "target_domain"))
        rows = zip(*columns, inputs["image_bytes"], strict=True)
        files = [
            png_of(grey_of(label), 10 * source + target, round(255 * brightness(file)))
            for label, source, target, file in rows
        ]
    else:
        raise KeyError(signature)
    return {"image_bytes": np.array(files, object)}


SIGNATURES = {
    "predict_bytes": (
        {"image_bytes": ("DT_STRING", [-1])},
        {"scores": ("DT_FLOAT", [-1, 2]), "class_ids": ("DT_INT64", [-1])},
    ),
    "serving_default_png": (
        {"label": ("DT_INT32", [-1]), "seed": ("DT_INT64", [-1]), "domain": ("DT_INT32", [-1])},
        {"image_bytes": ("DT_STRING", [-1])},
    ),
    "translate_bytes_png": (
        {
            "image_bytes": ("DT_STRING", [-1]),
            "label": ("DT_INT32", [-1]),
            "source_domain": ("DT_INT32", [-1]),
            "target_domain": ("DT_INT32", [-1]),
        },
        {"image_bytes": ("DT_STRING", [-1])},
    ),
}
SIGNATURES["source_bytes"] = SIGNATURES["predict_bytes"]
# TensorFlow's own, which Keras's exports have.
SIGNATURES["__saved_model_init_op"] = ({}, {"__saved_model_init_op": ("DT_INVALID", ())})


class StandIn:
    """What both servers share: a script of failures, and what they were asked.

    Attributes:
        failures: the next answers' statuses: (grpc.StatusCode, message).
        delay: seconds before each answer, or until `woken` is set.
        refuse: bytes of an image that is refused with INVALID_ARGUMENT.
        requests: (signature, rows) of each request.
        under_way, most_under_way: how many requests came at a time.
    """

    def __init__(self):
        self.failures, self.requests = [], []
        self.delay, self.woken, self.refuse = 0.0, Event(), None
        self.under_way = self.most_under_way = 0

    def met(self, signature, inputs):
        """An answer, or (status, message)."""
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.woken.wait(self.delay)
        self.under_way -= 1
        rows = next(iter(inputs.values()))
        self.requests.append((signature, len(rows)))
        if self.failures:
            return self.failures.pop(0)
        if self.refuse is not None and self.refuse in list(inputs.get("image_bytes", ())):
            return grpc.StatusCode.INVALID_ARGUMENT, "The image is bad."
        return answer(signature, inputs)


def grpc_server(stand_in, credentials=None, options=()):
    """(started server, port), with TLS where there are credentials; imports TensorFlow."""
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            stand_in.request = request
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            found = stand_in.met(request.model_spec.signature_name, inputs)
            if isinstance(found, tuple):
                context.abort(*found)
            response = predict_pb2.PredictResponse()
            response.model_spec.version.value = request.model_spec.version.value or 7
            for name, rows in found.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(rows))
            return response

        def Classify(self, request, context):  # noqa: N802
            response = classification_pb2.ClassificationResponse()
            for example in request.input.example_list.examples:
                files = example.features.feature["image_bytes"].bytes_list.value
                row = response.result.classifications.add()
                for name, score in zip(NAMES, scores_of(files)[0], strict=True):
                    row.classes.add(label=name, score=score)
            return response

        def GetModelMetadata(self, request, context):  # noqa: N802
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, sides in SIGNATURES.items():
                one = signatures.signature_def[name]
                for infos, tensors in zip((one.inputs, one.outputs), sides, strict=True):
                    for key, (kind, shape) in tensors.items():
                        infos[key].dtype = types_pb2.DataType.Value(kind)
                        for size in shape:
                            infos[key].tensor_shape.dim.add(size=size)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = 7
            response.metadata["signature_def"].Pack(signatures)
            return response

    class Models(model_service_pb2_grpc.ModelServiceServicer):
        def GetModelStatus(self, request, context):  # noqa: N802
            if request.model_spec.name not in ("cdd_classifier", "cdd_generator"):
                message = f"Could not find any versions of model {request.model_spec.name}"
                context.abort(grpc.StatusCode.NOT_FOUND, message)
            response = get_model_status_pb2.GetModelStatusResponse()
            response.model_version_status.add(version=8, state=50).status.error_message = "bad file"
            response.model_version_status[0].status.error_code = 5
            response.model_version_status.add(version=7, state=30)
            return response

    server = grpc.server(ThreadPoolExecutor(8), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server)
    if credentials:
        port = server.add_secure_port("localhost:0", credentials)
    else:
        port = server.add_insecure_port("localhost:0")
    server.start()
    return server, port


HTTP_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
}


def from_json(value):
    if isinstance(value, list):
        return [from_json(one) for one in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def to_json(name, rows):
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(row).decode()} for row in rows]
    return np.asarray(rows).tolist()


def rest_server(stand_in, context=None, most=2**30):
    """(started server, port), with TLS where there is an `ssl.SSLContext`.

    A body of over `most` bytes is refused.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def reply(self, status, body):
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            if self.path.endswith("/metadata"):
                self.reply(200, rest_metadata(self.path.split("/")[3]))
            elif self.path.split("/")[3] in ("cdd_classifier", "cdd_generator"):
                bad = {"error_code": "NOT_FOUND", "error_message": "bad file"}
                good = {"error_code": "OK", "error_message": ""}
                rows = [("8", "END", bad), ("7", "AVAILABLE", good)]
                keys = ("version", "state", "status")
                status = [dict(zip(keys, row, strict=True)) for row in rows]
                self.reply(200, {"model_version_status": status})
            else:
                message = f"Could not find any versions of model {self.path.split('/')[3]}"
                self.reply(404, {"error": message})

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if len(content) > most:
                stand_in.requests.append(("", 0))
                return self.reply(413, {"error": f"larger than {most} bytes"})
            body = json.loads(content)
            stand_in.path, signature = self.path, body["signature_name"]
            if self.path.endswith(":classify"):
                rows = [scores_of([from_json(one["image_bytes"])])[0] for one in body["examples"]]
                results = [list(zip(NAMES, row.tolist(), strict=True)) for row in rows]
                return self.reply(200, {"results": results})
            inputs = {name: from_json(rows) for name, rows in body["inputs"].items()}
            found = stand_in.met(signature, inputs)
            if isinstance(found, tuple):
                code, message = found
                return self.reply(HTTP_CODES[code], {"error": message})
            outputs = {name: to_json(name, rows) for name, rows in found.items()}
            # TF Serving leaves the name of a single output out.
            only = next(iter(outputs.values()))
            return self.reply(200, {"outputs": outputs if len(outputs) > 1 else only})

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            # Clients that hang up, or do not trust, are part of the tests; all else is told.
            if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError)):
                super().handle_error(request, client_address)

    server = Server(("localhost", 0), Handler)
    if context:
        # Hands are shaken with the first read, in the connection's own thread.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server, server.server_address[1]


def rest_metadata(model):
    def infos(tensors):
        return {
            name: {
                "dtype": kind,
                "tensor_shape": {
                    "dim": [{"size": str(size), "name": ""} for size in shape],
                    "unknown_rank": False,
                },
                "name": f"{name}:0",
            }
            for name, (kind, shape) in tensors.items()
        }

    signatures = {
        name: {"inputs": infos(inputs), "outputs": infos(outputs), "method_name": ""}
        for name, (inputs, outputs) in SIGNATURES.items()
    }
    return {
        "model_spec": {"name": model, "signature_name": "", "version": "7"},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def stop(server):
    """Ends a server of either kind, and waits for it."""
    if isinstance(server, ThreadingHTTPServer):
        server.shutdown()
        server.server_close()
    else:
        server.stop(None).wait()
