"""The server as a process: its start and its end, roll-over under load, and its memory."""

import io
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image
from servers import Process, eventually, predict_request, row, running_process
from tensorflow.core.framework import tensor_pb2, types_pb2
from zoo import HALF_PLUS_TWO, SLOW, write_versioned

HERE = Path(__file__).parent
MIB = 2**20
# The contract's bound on what ten thousand bad requests, or fifty reloads, may add.
MOST_GROWTH = 100 * MIB


@pytest.fixture
def config(ours, zoo):
    return ("--model-config-file", zoo / "models.config")


def slow(steps):
    return predict_request(SLOW, {"steps": np.array([steps], np.int32)})


def test_it_says_what_it_serves_and_where(config):
    with running_process(*config) as process:
        assert "model half_plus_two version 123: classify_x_to_y, regress_x_to_y, " in process.text
        address = process.connection.address
        assert f"gRPC on localhost:{address.split(':')[1]}" in process.lines
        assert process.connection.predict(HALF_PLUS_TWO, {"x": row(2)})["y"] == 3
        # Long requests do not keep short ones waiting, however many cores there are.
        count = os.cpu_count() + 2
        long = [process.connection.prediction.Predict.future(slow(10**6)) for _ in range(count)]
        time.sleep(0.5)
        assert process.connection.predict(HALF_PLUS_TWO, {"x": row(2)}, timeout=10)["y"] == 3
        for call in long:
            assert not call.done()
            call.cancel()


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere threads have no priority of their own"
)
@pytest.mark.parametrize("flags", [(), ("--own-machine",)])
def test_computing_comes_after_answering(config, flags):
    with running_process(*config, *flags) as process:
        process.connection.predict(HALF_PLUS_TWO, {"x": row(2)})
        number = process.process.pid
        found = {}
        for thread in Path(f"/proc/{number}/task").iterdir():
            nice = os.getpriority(os.PRIO_PROCESS, int(thread.name))
            policy = os.sched_getscheduler(int(thread.name))
            found.setdefault((thread / "comm").read_text().strip(), []).append((nice, policy))
        own = os.getpriority(os.PRIO_PROCESS, number)
        given = os.sched_getscheduler(0)
        # With the flag it interrupts nothing that computes, either.
        changed = flags and given == os.SCHED_OTHER
        answering = (own, os.SCHED_BATCH if changed else given)
        assert os.sched_getscheduler(number) == answering[1]
        assert set(found["tf_Compute"]) == {(min(own + 5, 19), given)}
        assert set(found["event_engine"]) == {answering}
        # What answers; some of Python's name are TensorFlow's and NumPy's, for parts of an
        # operation.
        name = Path(f"/proc/{number}/comm").read_text().strip()
        assert found[name].count(answering) > 2


@pytest.mark.parametrize("flag", ["--port", "--rest-port"])
def test_a_port_that_is_taken(config, flag):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        with running_process(*config, flag, port, ready=False) as process:
            assert process.wait() == 1
    assert (
        f"error: {flag}: cannot listen on localhost:{port}: Address already in use" in process.text
    )
    assert "Traceback" not in process.text


def test_two_servers_do_not_share_a_port(config):
    with running_process(*config) as first:
        port = first.connection.address.split(":")[1]
        with running_process(*config, "--port", port, ready=False) as second:
            assert second.wait() == 1
            assert "cannot listen" in second.text


def test_sigterm_loses_no_accepted_request(config):
    with running_process(*config, "--grace-seconds", 60) as process:
        connection = process.connection
        health = []
        watch = health_pb2_grpc.HealthStub(connection.channel).Watch(
            health_pb2.HealthCheckRequest()
        )
        watcher = threading.Thread(target=collect, args=(watch, health))
        watcher.start()
        accepted = connection.prediction.Predict.future(slow(8000), timeout=60)
        codes = Counter()
        # Enough of them that calls wait inside gRPC when the signal comes.
        clients = [threading.Thread(target=hammer, args=(process, codes)) for _ in range(32)]
        for client in clients:
            client.start()
        eventually(lambda: codes[grpc.StatusCode.OK] > 20)
        process.process.send_signal(signal.SIGTERM)
        assert accepted.result().outputs["steps"].int_val == [8000]
        for client in clients:
            client.join(30)
        assert process.wait() == 0
        watcher.join(30)
    # Each request was answered or refused: none was dropped in between.
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert health[0] == health_pb2.HealthCheckResponse.SERVING
    assert health_pb2.HealthCheckResponse.NOT_SERVING in health
    assert process.lines[-1] == "stopped"
    assert "Traceback" not in process.text


def collect(watch, seen):
    try:
        for response in watch:
            seen.append(response.status)
    except grpc.RpcError:
        return


def hammer(process, codes):
    """Sends requests until one is refused."""
    while True:
        try:
            process.connection.prediction.Predict(slow(20), timeout=20)
            codes[grpc.StatusCode.OK] += 1
        except grpc.RpcError as error:
            codes[error.code()] += 1
            return


def test_sigterm_drains_rest_too(config):
    with running_process(*config, "--grace-seconds", 20) as process:
        url = f"http://{process.connection.rest}/v1/models/{SLOW}:predict"
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, url, {"instances": [4000]})
            page = f"http://{process.connection.rest}/v1/models/{SLOW}"
            assert urllib.request.urlopen(page, timeout=20).status == 200
            time.sleep(0.3)
            process.process.send_signal(signal.SIGTERM)
            assert answer.result() == (200, {"predictions": [{"version": 1, "steps": 4000}]})
        assert process.wait() == 0


def post(url, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_sigkill_and_a_new_start(config):
    with running_process(*config) as process:
        port = process.connection.address.split(":")[1]
        process.process.kill()
    again = Process(*config, "--port", port, "--rest-port", 0)
    try:
        again.wait_ready()
        assert again.connection.predict(HALF_PLUS_TWO, {"x": row(2)})["y"] == 3
    finally:
        again.kill()


# Roll-over -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Versions 1 to 21 of a model, of which every fifth is damaged."""
    folder = tmp_path_factory.mktemp("shelf")
    for version in range(1, 22):
        write_versioned(folder / str(version), version)
        if version % 5 == 0:
            (folder / str(version) / "saved_model.pb").write_bytes(b"damaged")
    return folder


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("batching", [False, True])
def test_hot_swap_under_load(ours, shelf, tmp_path, seconds, batching):
    """8 clients while the version changes 20 times: none fails, none gets a wrong answer."""
    base = tmp_path / "models" / "m"
    shutil.copytree(shelf / "1", base / "1")
    arguments = ["--model-base-path", base.parent, "--file-system-poll-wait-seconds", 0.1]
    arguments += ["--enable-batching"] if batching else []
    with running_process(*arguments) as process:
        ended, answers = threading.Event(), [[] for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            clients = [
                pool.submit(ask, process, ended, seen, np.float32(n))
                for n, seen in enumerate(answers)
            ]
            try:
                for version in range(2, 22):
                    time.sleep(seconds / 21)
                    aside = tmp_path / "aside"
                    shutil.copytree(shelf / str(version), aside)
                    aside.rename(base / str(version))
                    # Else a slow machine would skip some on its way to the newest.
                    if version % 5:
                        eventually(lambda v=version: all(seen[-1:] == [v] for seen in answers))
            finally:
                ended.set()
            for client in clients:
                client.result()
        for seen in answers:
            assert len(seen) > 20
            # Each good version in its turn, the damaged ones never, and none twice.
            assert list(dict.fromkeys(seen)) == [v for v in range(1, 22) if v % 5]
            assert seen == sorted(seen)


def ask(process, ended, seen, x):
    while not ended.is_set():
        request = predict_request("m", {"x": np.array([x], np.float32)})
        response = process.connection.prediction.Predict(request, timeout=20)
        version = response.model_spec.version.value
        assert list(response.outputs["version"].float_val) == [version]
        assert list(response.outputs["y"].float_val) == [x + 1000 * version]
        seen.append(version)


# Memory --------------------------------------------------------------------------------------


BODIES = (b"{", b"[" * 10_000, b"\xff", b'{"instances": [NaN, 1e999]}')
INVALID = grpc.StatusCode.INVALID_ARGUMENT
INTERNAL = grpc.StatusCode.INTERNAL


def film():
    """An animated GIF."""
    frames = [Image.new("P", (30, 20), n) for n in range(3)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    return content.getvalue()


def hostile_requests():
    """(bytes, the status they are to have): what no client of good will sends."""
    draws = np.random.default_rng(0)
    requests = []
    for dims in ((2_000_000_000,), (-1,), (2**31 - 1,) * 20_000):
        proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.0])
        for size in dims:
            proto.tensor_shape.dim.add().size = size
        request = predict_request(HALF_PLUS_TWO, {"x": row(1)})
        request.inputs["x"].CopyFrom(proto)
        requests.append((request, INVALID))
    requests.append(
        (predict_request(HALF_PLUS_TWO, {"x": row(np.nan, np.inf)}), grpc.StatusCode.OK)
    )
    shape = predict_request("tensors", {"image": np.zeros((2, 3, 2), np.float32)}, "checked")
    requests.append((shape, INVALID))
    cut = film()[:40]
    for content in (b"", b"\xff\xd8\xff", cut, b"GIF89a" + draws.bytes(50), draws.bytes(1000)):
        images = {"image_bytes": np.array([content], object)}
        requests.append((predict_request("tensors", images, "decoded"), INVALID))
    moving = {"image_bytes": np.array([film()], object)}
    requests.append((predict_request("tensors", moving, "decoded"), grpc.StatusCode.OK))
    for _ in range(10):
        stranger = predict_request(f"stranger-{draws.bytes(8).hex()}", {"x": row(1)})
        requests.append((stranger, grpc.StatusCode.NOT_FOUND))
    written = [(request.SerializeToString(), code) for request, code in requests]
    written += [(draws.bytes(200), INTERNAL) for _ in range(10)]
    return [*written, (written[4][0][:-7], INTERNAL)]


def send_hostile(process, count):
    """Sends so many over gRPC, and a tenth as many over REST; gives what came back otherwise."""
    requests = hostile_requests()
    method = process.connection.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    url = f"http://{process.connection.rest}/v1/models/{HALF_PLUS_TWO}:predict"
    wrong = Counter()

    def work(start):
        for number in range(start, count, 4):
            request, expected = requests[number % len(requests)]
            error = method.future(request, timeout=60).exception()
            code = error.code() if error else grpc.StatusCode.OK
            if code != expected:
                wrong[expected.name, code.name, error and error.details()[:80]] += 1
            if number % 10 == 0:
                body = BODIES[number // 10 % len(BODIES)]
                status = post(url, body)[0]
                if status != (200 if body.startswith(b'{"') else 400):
                    wrong[body[:20], status] += 1

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work, start) for start in range(4)]:
            future.result()
    return wrong


def growth(process, work, count):
    """Bytes that the server's memory grows by while `work(count)` is done, a tenth to warm up."""
    work(count // 10)
    before = psutil.Process(process.process.pid).memory_info().rss
    work(count - count // 10)
    return psutil.Process(process.process.pid).memory_info().rss - before


def test_ten_thousand_hostile_requests(config):
    with running_process(*config) as process:
        wrong = Counter()
        grown = growth(process, lambda count: wrong.update(send_hostile(process, count)), 10_000)
        assert process.process.poll() is None
        assert process.connection.predict(HALF_PLUS_TWO, {"x": row(2)})["y"] == 3
    assert not wrong
    print(f"grown by {grown / MIB:.0f} MiB")
    assert grown < MOST_GROWTH


def test_large_requests_that_are_refused(config):
    """What gRPC keeps of a refusal until garbage is collected is not the request: 16 MiB each."""
    numbers = np.zeros(2**22, np.int32)
    raw = predict_request(HALF_PLUS_TWO, {"x": numbers}).SerializeToString()

    def refuse(count):
        method = process.connection.channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict"
        )
        for _ in range(count):
            error = method.future(raw, timeout=60).exception()
            assert error.code() == INVALID

    with running_process(*config) as process:
        grown = growth(process, refuse, 100)
    print(f"grown by {grown / MIB:.0f} MiB")
    assert grown < MOST_GROWTH


def reload(process, folders):
    """Rolls over as many times, by new folders for the model."""
    from tensorflow_serving.apis import model_management_pb2

    def work(count):
        for number in range(count):
            request = model_management_pb2.ReloadConfigRequest()
            request.config.model_config_list.config.add(
                name=f"m{number % 2}",
                base_path=str(folders[number % 2]),
                model_platform="tensorflow",
            )
            process.connection.models.HandleReloadConfigRequest(request, timeout=60)
            x = {"x": row(1)}
            assert process.connection.predict(f"m{number % 2}", x)["y"] == 1001 + 1000 * (
                number % 2
            )

    return work


@pytest.fixture
def two(shelf, tmp_path):
    """Folders of two models, each with a version of its own."""
    for number in (1, 2):
        shutil.copytree(shelf / str(number), tmp_path / f"m{number}" / str(number))
    return [tmp_path / "m1", tmp_path / "m2"]


def test_fifty_reloads(config, two):
    with running_process(*config) as process:
        grown = growth(process, reload(process, two), 56)
    print(f"grown by {grown / MIB:.0f} MiB")
    assert grown < MOST_GROWTH


def test_the_soak_finds_leaks_put_in_on_purpose(config, two):
    """The same checks on a server that keeps 64 KiB a request and 8 MiB a reload."""
    process = Process(*config, "--port", 0, "--rest-port", 0, module="leaky_server")
    try:
        process.wait_ready()
        assert growth(process, lambda count: send_hostile(process, count), 4000) > MOST_GROWTH
        assert growth(process, reload(process, two), 56) > MOST_GROWTH
    finally:
        process.kill()


def test_sigterm_while_models_load(config):
    """Before it listens it has promised nothing, and ends at once."""
    process = Process(*config, "--port", 0, "--rest-port", 0)
    try:
        eventually(lambda: "is being loaded" in process.text, seconds=100)
        process.process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
        assert "ready" not in process.lines
    finally:
        process.kill()
