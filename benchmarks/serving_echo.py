"""What gRPC alone costs here: a server of grpcio that answers at once, with nothing computed.

    serving_echo.py
        prints its address and serves until it is told to end

Its answers have the size of `translate`'s: as many bytes as the images of the request. Nothing is
parsed or copied in it, so any server on grpcio does at least this for each request.
"""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import tensorflow_serving.apis.predict_pb2 as predict_pb2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serving_loads import inputs

from serving.codec import encode

PREDICT = "/tensorflow.serving.PredictionService/Predict"
ROWS = (1, 32)
WORKERS = 64


def main():
    answers = {count: answer(count) for count in ROWS}

    def predict(request, context):
        return answers[min(ROWS, key=lambda count: abs(len(answers[count]) - len(request)))]

    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method == PREDICT:
                # Without functions to parse and serialise, both are bytes.
                return grpc.unary_unary_rpc_method_handler(predict)
            return None

    options = [("grpc.max_receive_message_length", 64 * 2**20)]
    server = grpc.server(ThreadPoolExecutor(WORKERS), handlers=[Echo()], options=options)
    port = server.add_insecure_port("localhost:0")
    server.start()
    print(f"localhost:{port}", flush=True)
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    server.stop(None)


def answer(count):
    response = predict_pb2.PredictResponse()
    images = inputs("cdd_generator", count)["image"]
    response.outputs["images"].CopyFrom(encode(images, as_content=True))
    return response.SerializeToString()


if __name__ == "__main__":
    main()
