"""Overload, cancellation, deadlines and limits, in a server of this process."""

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.request

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from servers import eventually, predict_request, row, running_app
from test_model_server import rest
from zoo import HALF_PLUS_TWO, SLOW

SHED = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}
LONG = 200_000


@pytest.fixture
def serve(ours, zoo):
    """Starts servers of the zoo with the options given."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            running_app(model_config_file=str(zoo / "models.config"), **options)
        )


def slow(steps):
    return predict_request(SLOW, {"steps": np.array([steps], np.int32)})


def in_flight(server, count):
    """Waits until so many requests are being answered."""
    eventually(lambda: server.app.in_flight.count == count, seconds=5)


def check_answers(server):
    assert server.predict(SLOW, {"steps": np.array([1], np.int32)})["version"] == 1


def test_overload_is_shed_and_passes(serve):
    """Ten times as many clients as places."""
    server = serve(max_in_flight=4)
    codes, ended = [], threading.Event()

    def hammer():
        while not ended.is_set():
            try:
                server.prediction.Predict(slow(100), timeout=20)
                codes.append(grpc.StatusCode.OK)
            except grpc.RpcError as error:
                codes.append(error.code())

    clients = [threading.Thread(target=hammer) for _ in range(40)]
    for client in clients:
        client.start()
    time.sleep(3)
    ended.set()
    over = time.monotonic()
    for client in clients:
        client.join(20)
        assert not client.is_alive(), "a client hangs"
    check_answers(server)
    assert time.monotonic() - over < 2
    assert set(codes) - {grpc.StatusCode.OK} <= SHED
    assert codes.count(grpc.StatusCode.OK) > 10
    assert len(set(codes) & SHED) >= 1, "nothing was shed: this was no overload"


def test_exactly_the_surplus_is_turned_away(serve):
    server = serve(max_in_flight=3)
    calls = [server.prediction.Predict.future(slow(LONG), timeout=60) for _ in range(3)]
    in_flight(server, 3)
    with pytest.raises(grpc.RpcError, match=r"answers 3 at a time \(--max-in-flight\)"):
        server.prediction.Predict(slow(1), timeout=20)
    status, body = rest(server, f"{SLOW}:predict", {"instances": [1]})
    assert status == 429
    assert "Too many requests in flight" in body["error"]
    # Health and status are answered all the same.
    assert rest(server, SLOW)[0] == 200
    for call in calls:
        call.cancel()
    in_flight(server, 0)
    check_answers(server)


@pytest.mark.parametrize("batching", [False, True])
def test_a_cancelled_call_stops_its_work(serve, batching):
    server = serve(max_in_flight=1, enable_batching=batching)
    call = server.prediction.Predict.future(slow(LONG), timeout=120)
    in_flight(server, 1)
    call.cancel()
    in_flight(server, 0)
    if batching:
        # The place is given back at once, and the batch stops without anybody waiting for it.
        eventually(lambda: server.app._runner.state == (0, 0), seconds=5)
    check_answers(server)


def test_a_place_is_held_until_the_work_has_ended(serve):
    """And not only until its client has gone: there are no more computations than places."""
    server = serve(max_in_flight=1)
    ended, free = threading.Event(), threading.Event()
    (servable,) = server.app.models.available()[HALF_PLUS_TWO]
    run = servable.run

    def lasting(signature, inputs, call):
        call.on_cancel(ended.set)
        free.wait(20)
        return run(signature, inputs, call)

    servable.run = lasting
    call = server.prediction.Predict.future(predict_request(HALF_PLUS_TWO, {"x": row(2)}))
    in_flight(server, 1)
    call.cancel()
    assert ended.wait(20)
    assert server.app.in_flight.count == 1
    free.set()
    in_flight(server, 0)


def test_what_is_given_up_is_counted_as_such(serve):
    server = serve()
    call = server.prediction.Predict.future(slow(LONG), timeout=120)
    in_flight(server, 1)
    call.cancel()
    in_flight(server, 0)
    with pytest.raises(grpc.RpcError):
        server.prediction.Predict(slow(LONG), timeout=0.5)
    in_flight(server, 0)
    page = urllib.request.urlopen(f"http://{server.rest}/monitoring/prometheus/metrics", timeout=20)
    with page:
        text = page.read().decode()
    for status in ("CANCELLED", "DEADLINE_EXCEEDED"):
        line = f':tensorflow:serving:request_count{{model_name="slow",status="{status}"}} 1.0'
        assert line in text


def test_an_answer_over_the_limit_then_a_small_one(serve):
    server = serve(grpc_channel_arguments="grpc.max_send_message_length=200")
    with pytest.raises(grpc.RpcError) as refused:
        server.predict(HALF_PLUS_TWO, {"x": np.zeros(100, np.float32)})
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    in_flight(server, 0)
    assert server.predict(HALF_PLUS_TWO, {"x": row(2)})["y"] == 3


def test_a_method_whose_name_is_no_text(serve):
    """It ends grpcio's server, and calls in flight are answered all the same."""
    server = serve()
    for _ in range(3):
        long = server.prediction.Predict.future(slow(3000), timeout=60)
        in_flight(server, 1)
        with pytest.raises(grpc.RpcError):
            server.channel.unary_unary(b"/\xff")(b"", timeout=5)
        # Those who come at that moment are turned away, others answered by a new one.
        request = predict_request(HALF_PLUS_TWO, {"x": row(2)})
        call = server.prediction.Predict.future
        eventually(lambda: call(request, timeout=20).exception() is None, seconds=5)  # noqa: B023
        assert list(long.result().outputs["steps"].int_val) == [3000]


def test_a_deadline_stops_its_work(serve):
    server = serve(max_in_flight=1)
    with pytest.raises(grpc.RpcError) as late:
        server.prediction.Predict(slow(LONG), timeout=0.5)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    in_flight(server, 0)
    check_answers(server)


CLIENT = """
import sys, grpc, numpy as np
sys.path.insert(0, sys.argv[2])
from servers import Connection, predict_request
request = predict_request("slow", {"steps": np.array([int(sys.argv[3])], np.int32)})
connection = Connection(sys.argv[1])
future = connection.prediction.Predict.future(request, timeout=600)
print("sent", flush=True)
future.result()
"""


def test_a_client_killed_in_mid_call(serve):
    from pathlib import Path

    server = serve(max_in_flight=1)
    arguments = [server.address, str(Path(__file__).parent), str(LONG)]
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE, text=True
    )
    with client:
        assert client.stdout.readline() == "sent\n"
        in_flight(server, 1)
        client.kill()
    in_flight(server, 0)
    check_answers(server)


def test_a_rest_client_that_goes_away(serve):
    server = serve(max_in_flight=1)
    connection = http.client.HTTPConnection(server.rest, timeout=60)
    connection.request("POST", f"/v1/models/{SLOW}:predict", json.dumps({"instances": [LONG]}))
    in_flight(server, 1)
    connection.close()
    in_flight(server, 0)
    check_answers(server)


def test_a_rest_request_has_a_time_limit(serve):
    server = serve(max_in_flight=1, rest_timeout_ms=300)
    status, body = rest(server, f"{SLOW}:predict", {"instances": [LONG]})
    assert (status, body) == (504, {"error": "Deadline exceeded"})
    in_flight(server, 0)
    check_answers(server)


def test_a_request_over_the_limit_then_a_small_one(serve):
    server = serve(max_message_bytes=1000)
    large = predict_request(HALF_PLUS_TWO, {"x": np.zeros(1000, np.float32)})
    with pytest.raises(grpc.RpcError, match="larger than max") as refused:
        server.prediction.Predict(large, timeout=20)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert server.predict(HALF_PLUS_TWO, {"x": row(2)})["y"] == 3
    status, body = rest(server, f"{HALF_PLUS_TWO}:predict", {"instances": [0.0] * 1000})
    assert status == 413
    assert "1000 bytes (--max-message-bytes)" in body["error"]
    assert rest(server, f"{HALF_PLUS_TWO}:predict", {"instances": [2.0]})[0] == 200


def test_a_full_batching_queue_is_unavailable(serve, tmp_path):
    parameters = tmp_path / "batching.txt"
    parameters.write_text(
        "max_batch_size { value: 1 } max_enqueued_batches { value: 2 } "
        "num_batch_threads { value: 1 }"
    )
    server = serve(enable_batching=True, batching_parameters_file=str(parameters))
    futures = []
    for state in ((1, 0), (1, 1), (1, 2)):
        futures.append(server.prediction.Predict.future(slow(LONG), timeout=120))
        eventually(lambda state=state: server.app._runner.state == state)
    with pytest.raises(grpc.RpcError, match="2 batches enqueued") as refused:
        server.prediction.Predict(slow(1), timeout=20)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    status, body = rest(server, f"{SLOW}:predict", {"instances": [1]})
    assert status == 503
    assert "max_enqueued_batches is 2" in body["error"]
    for future in futures:
        future.cancel()


@pytest.mark.parametrize("batching", [False, True])
def test_a_call_without_a_deadline(serve, batching):
    server = serve(enable_batching=batching)
    assert server.predict(HALF_PLUS_TWO, {"x": row(2)}, timeout=None)["y"] == 3


def test_idle_streams_leave_room(serve):
    """Reflection's streams of requests hold places: few are let in."""
    from grpc_reflection.v1alpha import reflection_pb2_grpc

    server = serve(max_in_flight=2)
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    ended = threading.Event()
    # Iterators that send nothing until the test ends.
    streams = [stub.ServerReflectionInfo(iter(ended.wait, True)) for _ in range(100)]
    codes = [stream.code() for stream in streams if stream.done()]
    assert server.predict(HALF_PLUS_TWO, {"x": row(2)}, timeout=10)["y"] == 3
    assert set(codes) <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
    for stream in streams:
        stream.cancel()
    ended.set()


def begun(server, count, ended):
    """Calls that begin and send no request."""
    method = server.channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
    return [method.future(iter(ended.wait, True)) for _ in range(count)]


def test_calls_that_send_nothing(serve):
    """They hold places in gRPC: 2 for requests in flight, 68 for streams, and 128."""
    server = serve(max_in_flight=2)
    ended = threading.Event()
    calls = begun(server, 100, ended)
    time.sleep(0.3)
    assert server.predict(HALF_PLUS_TWO, {"x": row(2)}, timeout=10)["y"] == 3
    calls += begun(server, 168, ended)
    eventually(lambda: sum(call.done() for call in calls) == 70)
    codes = {call.code() for call in calls if call.done()}
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    with pytest.raises(grpc.RpcError, match="Concurrent RPC limit exceeded"):
        server.prediction.Predict(slow(1), timeout=20)
    for call in calls:
        call.cancel()
    ended.set()

    def answers():
        error = server.prediction.Predict.future(slow(1), timeout=20).exception()
        return error is None

    eventually(answers)


def test_idle_watches_leave_room(serve):
    server = serve(max_in_flight=2)
    stub = health_pb2_grpc.HealthStub(server.channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(190)]
    eventually(lambda: sum(watch.done() for watch in watches) == 190 - 64)
    for watch in watches:
        if not watch.done():
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    codes = {watch.code() for watch in watches if watch.done()}
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert server.predict(HALF_PLUS_TWO, {"x": row(2)}, timeout=10)["y"] == 3
    for watch in watches:
        watch.cancel()


@pytest.mark.parametrize(("count", "place"), [(1, "grpc"), (2**20, "requests")])
def test_what_is_long_to_read_or_write_is_not_the_event_loops(serve, monkeypatch, count, place):
    """Which would answer nobody else meanwhile."""
    from serving import inference

    server = serve()
    places = []
    for owner, name in ((inference.Question, "inputs"), (inference, "response")):
        function = getattr(owner, name)

        def noting(*arguments, function=function):
            places.append(threading.current_thread().name)
            return function(*arguments)

        monkeypatch.setattr(owner, name, noting)
    numbers = np.arange(count, dtype=np.float32)
    assert (server.predict(HALF_PLUS_TWO, {"x": numbers})["y"] == numbers / 2 + 2).all()
    assert [found.split("_")[0] for found in places] == [place, place]
    # One value stands for all.
    request = predict_request(HALF_PLUS_TWO, {"x": row(2)})
    request.inputs["x"].ClearField("tensor_content")
    request.inputs["x"].float_val[:] = [2]
    request.inputs["x"].tensor_shape.dim[0].size = count
    response = server.prediction.Predict(request, timeout=20)
    assert len(response.outputs["y"].float_val) == count
    assert [found.split("_")[0] for found in places[2:]] == [place, place]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("half_plus_two:predict", rb'{"instances":[{"\ud800":1}]}', {}, 400),
        ("half_plus_two:predict", rb'{"signature_name":"\ud800","instances":[1]}', {}, 400),
        ("half_plus_two:regress", rb'{"examples":[{"x":"\ud800"}]}', {}, 400),
        ("half_plus_two:regress", b'{"examples":[{"x":1' + b"0" * 400 + b"}]}", {}, 400),
        ("half_plus_two:predict", b"no gzip", {"Content-Encoding": "gzip"}, 400),
        ("half_plus_two:predict", b"[" * 100_000, {}, 400),
    ],
)
def test_rest_bodies_that_mean_harm(serve_once, path, body, headers, status):
    connection = http.client.HTTPConnection(serve_once.rest, timeout=60)
    connection.request("POST", f"/v1/models/{path}", body, headers)
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "application/json"
    answer = json.loads(response.read())
    connection.close()
    assert (response.status, list(answer)) == (status, ["error"]), answer


@pytest.fixture(scope="module")
def serve_once(request, zoo):
    with running_app(model_config_file=str(zoo / "models.config")) as server:
        yield server


def test_a_rest_body_that_trickles(serve):
    server = serve(rest_timeout_ms=500)
    connection = http.client.HTTPConnection(server.rest, timeout=60)
    connection.putrequest("POST", f"/v1/models/{HALF_PLUS_TWO}:predict")
    connection.putheader("Content-Length", "1000")
    connection.endheaders()
    connection.send(b'{"inst')
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())) == (504, {"error": "Deadline exceeded"})
    connection.close()


def test_rest_bodies_are_bounded_together(serve):
    server = serve(max_message_bytes=2000, max_in_flight=8)
    held = http.client.HTTPConnection(server.rest, timeout=60)
    held.putrequest("POST", f"/v1/models/{HALF_PLUS_TWO}:predict")
    held.putheader("Content-Length", "1900")
    held.endheaders()
    held.send(b"{")
    eventually(lambda: server.app._rest._bytes.count == 1900)
    body = json.dumps({"instances": [2.0] * 100}).encode()
    status, answer = rest(server, f"{HALF_PLUS_TWO}:predict", body)
    assert status == 429
    assert "2000 bytes together (--max-message-bytes)" in answer["error"]
    held.close()
    eventually(lambda: server.app._rest._bytes.count == 0)
    assert rest(server, f"{HALF_PLUS_TWO}:predict", body)[0] == 200
