"""What gRPC alone costs here: a server of grpcio that answers at once, with nothing computed.

    serving_echo.py
        prints its address and serves until it is told to end

Its answers have the size of `translate`'s: as many bytes as the images of the request. Nothing is
parsed or copied in it, so a server on grpcio's asyncio side, as ours is, does at least this for
each request.
"""

import signal
import sys
from pathlib import Path

import grpc
import grpc.aio
import tensorflow_serving.apis.predict_pb2 as predict_pb2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serving_loads import inputs

from serving.codec import encode_into
from serving.loops import LoopThread

PREDICT = "/tensorflow.serving.PredictionService/Predict"
ROWS = (1, 32)


async def serve():
    answers = {count: answer(count) for count in ROWS}

    async def predict(request, context):
        return answers[min(ROWS, key=lambda count: abs(len(answers[count]) - len(request)))]

    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method == PREDICT:
                # Without functions to parse and serialise, both are bytes.
                return grpc.unary_unary_rpc_method_handler(predict)
            return None

    options = [("grpc.max_receive_message_length", 64 * 2**20)]
    server = grpc.aio.server(handlers=[Echo()], options=options)
    port = server.add_insecure_port("localhost:0")
    await server.start()
    print(f"localhost:{port}", flush=True)
    return server


def answer(count):
    response = predict_pb2.PredictResponse()
    images = inputs("cdd_generator", count)["image"]
    encode_into(response.outputs["images"], images, as_content=True)
    return response.SerializeToString()


def main():
    loop = LoopThread("grpc")
    server = loop.run(serve())
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    loop.run(server.stop(None))


if __name__ == "__main__":
    main()
