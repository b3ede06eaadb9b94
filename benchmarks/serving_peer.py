"""The peer of serving.py: MLServer with a runtime of a SavedModel.

    serving_peer.py serve MODELS WORK SETTINGS
        serves both models; prints its address. SETTINGS is a JSON object of MLServer's
    serving_peer.py wait ADDRESS
        returns once it is ready
    serving_peer.py load ADDRESS
        measures loads; input and output as serving_loads.py's

Tensors travel as raw bytes both ways, and the load comes from the same generator as ours.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

SIGNATURES = {"cdd_classifier": "serving_default", "cdd_generator": "translate"}


def serve(models, work, settings):
    """Replaces this process by MLServer."""
    folder = Path(work)
    ports = [free_port() for _ in range(3)]
    names = ("http_port", "grpc_port", "metrics_port")
    ours = {**dict(zip(names, ports, strict=True)), "debug": False, "host": "127.0.0.1"}
    ours["grpc_max_message_length"] = 64 * 2**20
    (folder / "settings.json").write_text(json.dumps({**ours, **json.loads(settings)}))
    for name, signature in SIGNATURES.items():
        place = folder / name
        place.mkdir()
        parameters = {
            "uri": str(Path(models) / name / "1"),
            "extra": {"signature": signature},
        }
        description = {
            "name": name,
            "implementation": "serving_peer_runtime.SavedModelRuntime",
            "parameters": parameters,
        }
        (place / "model-settings.json").write_text(json.dumps(description))
    print(f"127.0.0.1:{ports[1]}", flush=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execve(program, [program, "start", str(folder)], environment)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait(address):
    from tritonclient.grpc import InferenceServerClient

    client, end = InferenceServerClient(address), time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if all(client.is_model_ready(name) for name in SIGNATURES):
                return
        except Exception:
            # Not there yet.
            pass
        time.sleep(0.5)
    raise SystemExit("the peer did not become ready")


def load(address):
    import grpc
    from serving_loads import TIMEOUT, loaded, serve_measures
    from tritonclient.grpc import service_pb2

    channel = grpc.insecure_channel(
        address, [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    )
    # Without functions to write and read, both messages are bytes, as in the load on ours.
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def prepare(model, _, arrays):
        message = request(model, arrays).SerializeToString()
        answer = service_pb2.ModelInferResponse.FromString(infer(message, timeout=TIMEOUT))
        assert answer.raw_output_contents, "the answer does not come as raw bytes"
        return lambda: infer(message, timeout=TIMEOUT)

    serve_measures(loaded(prepare))


def request(model, arrays):
    from tritonclient.grpc import service_pb2

    kinds = {"float32": "FP32", "int32": "INT32"}
    message = service_pb2.ModelInferRequest(model_name=model)
    for name, array in arrays.items():
        message.inputs.add(name=name, datatype=kinds[array.dtype.name], shape=array.shape)
        message.raw_input_contents.append(array.tobytes())
    return message


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"serve": serve, "wait": wait, "load": load}[command](*arguments)
