"""The library by both transports: answers, requests, errors, attempts."""

import random
import time

import grpc
import numpy as np
import pytest
from stand_in_servers import NAMES, QUICK, SIDE, StandIn, grpc_server, png_of, rest_server, stop

from serving.client import (
    KEEP_LABEL,
    NO_LABEL,
    CallError,
    Client,
    Limits,
    ModelSpec,
    Retries,
    Signature,
    Tensor,
    TooLargeError,
    UsageError,
    VersionStatus,
)

GREYS = (0, 51, 255)
UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "moving house")
EXHAUSTED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "no room")


def grey(level):
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def test_classify_reads_scores_and_the_models_own_names(client):
    found = client.classify([grey(level) for level in GREYS])
    assert found.class_names == NAMES
    np.testing.assert_allclose(found.scores, [[1, 0], [0.8, 0.2], [0, 1]], atol=1e-6)
    assert found.scores.dtype == np.float32
    assert found.labels == ["dark", "dark", "bright"]


def test_source_images_are_read_by_their_own_signature(client):
    found = client.classify([grey(51)], domain="source", class_names=("a", "b"))
    np.testing.assert_allclose(found.scores, [[0.2, 0.8]], atol=1e-6)
    assert found.labels == ["b"]


def test_generate_asks_for_label_seed_and_domain(client):
    images = client.generate([1, "dark", NO_LABEL], [3, 4, 5], domain="target")
    assert images.shape == (3, SIDE, SIDE, 3)
    assert images.dtype == np.uint8
    assert images[:, 0, 0].tolist() == [[101, 3, 1], [100, 4, 1], [99, 5, 1]]


@pytest.mark.parametrize(("label", "red"), [(NO_LABEL, 99), (KEEP_LABEL, 98), ("Bright", 101)])
def test_translate_asks_for_label_and_both_domains(client, label, red):
    images = client.translate([grey(0), grey(255)], to="source", label=label)
    assert images[:, 0, 0].tolist() == [[red, 10, 0], [red, 10, 255]]


def test_no_images_give_no_rows(client):
    assert client.classify([]).scores.shape == (0, 2)
    assert len(client.translate([], to="source")) == 0
    assert len(client.generate([], [])) == 0


def test_rows_are_cut_into_requests_and_come_back_in_order(stand_in):
    with Client(stand_in.address, limits=Limits(rows=2, in_flight=3)) as client:
        seeds = list(range(7))
        stand_in.delay = 0.05
        images = client.generate([0] * 7, seeds)
    assert images[:, 0, 0, 1].tolist() == seeds
    assert sorted(rows for _, rows in stand_in.requests) == [1, 2, 2, 2]
    assert stand_in.most_under_way == 3


def test_status_and_metadata(client):
    assert client.status("cdd_classifier") == [
        VersionStatus(8, "END", "NOT_FOUND", "bad file"),
        VersionStatus(7, "AVAILABLE"),
    ]
    found = client.metadata("cdd_generator")
    assert (found.name, found.version) == ("cdd_generator", 7)
    assert found.signatures["predict_bytes"] == Signature(
        {"image_bytes": Tensor("string", (-1,))},
        {"scores": Tensor("float32", (-1, 2)), "class_ids": Tensor("int64", (-1,))},
    )


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(CallError, match="Could not find any versions of model x") as caught:
        client.status("x")
    assert caught.value.code == grpc.StatusCode.NOT_FOUND


def test_outputs_can_be_chosen(client, stand_in):
    inputs = {"image_bytes": np.array([png_of(0, 0, 0)], object)}
    found = client.predict("m", inputs, "predict_bytes", outputs=["class_ids"])
    if stand_in.address.startswith("http"):
        assert found.outputs.keys() == {"class_ids"}
    else:
        assert list(stand_in.request.output_filter) == ["class_ids"]


def test_numbers_travel_as_tensor_content(grpc_stand_in):
    with Client(grpc_stand_in.address) as client:
        client.generate([1, 0], [3, 4])
    label = grpc_stand_in.request.inputs["label"]
    assert label.tensor_content == np.array([1, 0], np.int32).tobytes()
    assert not label.int_val


def test_versions_and_labels_are_asked_for(grpc_stand_in, rest_stand_in):
    inputs = {"image_bytes": np.array([png_of(0, 0, 0)], object)}
    numbered = ModelSpec("m", "predict_bytes", version=3)
    labelled = ModelSpec("m", "predict_bytes", label="stable")
    with Client(grpc_stand_in.address) as client:
        assert client.predict(numbered, inputs).version == 3
        client.predict(labelled, inputs)
        assert grpc_stand_in.request.model_spec.version_label == "stable"
        assert grpc_stand_in.request.model_spec.signature_name == "predict_bytes"
    with Client(rest_stand_in.address) as client:
        client.predict(numbered, inputs)
        assert rest_stand_in.path == "/v1/models/m/versions/3:predict"
        client.predict(labelled, inputs)
        assert rest_stand_in.path == "/v1/models/m/labels/stable:predict"
    with pytest.raises(UsageError, match="Both a version"):
        ModelSpec("m", version=3, label="stable")


@pytest.mark.parametrize("failure", [UNAVAILABLE, EXHAUSTED], ids=["unavailable", "exhausted"])
def test_a_server_away_or_full_is_tried_again(client, stand_in, failure):
    stand_in.failures = [failure] * QUICK.count
    np.testing.assert_array_equal(client.generate([1], [9])[0, 0, 0], [101, 9, 1])
    assert len(stand_in.requests) == QUICK.count + 1


def test_attempts_end_with_the_last_error(client, stand_in):
    stand_in.failures = [UNAVAILABLE] * QUICK.count + [EXHAUSTED, UNAVAILABLE]
    with pytest.raises(CallError, match="RESOURCE_EXHAUSTED: no room"):
        client.generate([1], [9])
    assert len(stand_in.requests) == QUICK.count + 1


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL])
def test_other_errors_are_not_tried_again(client, stand_in, code):
    stand_in.failures = [(code, "no")]
    with pytest.raises(CallError, match=f"{code.name}: no"):
        client.generate([1], [9])
    assert len(stand_in.requests) == 1


def test_a_deadline_bounds_a_call(stand_in):
    stand_in.delay = 0.6
    with Client(stand_in.address, deadline=0.2) as client:
        start = time.monotonic()
        with pytest.raises(CallError) as caught:
            client.generate([1], [9])
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - start < stand_in.delay
    # Until the server has done with it: the next test asks the same one.
    time.sleep(0.6)
    assert len(stand_in.requests) == 1


def test_a_deadline_bounds_all_attempts_together(stand_in):
    stand_in.failures = [UNAVAILABLE] * 100
    retries = Retries(count=100, first_delay=0.1, longest_delay=0.1)
    with Client(stand_in.address, deadline=0.5, retries=retries) as client:
        start = time.monotonic()
        with pytest.raises(CallError):
            client.generate([1], [9])
    assert time.monotonic() - start < 2
    assert 2 <= len(stand_in.requests) < 60


@pytest.mark.parametrize("address", ["localhost:1", "http://localhost:1"])
def test_nobody_there(address):
    with Client(address, retries=Retries(0)) as client, pytest.raises(CallError) as caught:
        client.status("m")
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert "refused" in str(caught.value).lower()


def test_waits_grow_and_are_drawn(monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)

    def attempt(left):
        raise CallError(*UNAVAILABLE)

    random.seed(0)
    retries = Retries(count=50, first_delay=1, longest_delay=4)
    with pytest.raises(CallError):
        retries.call(attempt, deadline=1000)
    assert len(waits) == 50
    # Drawn evenly up to 1, 2 and then 4 seconds.
    assert (np.array(waits[:3]) <= [1, 2, 4]).all()
    assert 3.4 < max(waits) <= 4
    assert 1.2 < np.mean(waits[2:]) < 2.8


def test_a_request_over_the_limit_is_not_sent(stand_in):
    with Client(stand_in.address, limits=Limits(message_mib=1)) as client:
        noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), "uint8")
        with pytest.raises(TooLargeError, match=r"limit of 1048576.*--max-message-mib"):
            client.classify([noise], class_names=NAMES)
    assert stand_in.requests == []


def test_an_answer_over_the_limit_is_refused_once(stand_in, monkeypatch):
    monkeypatch.setattr("stand_in_servers.png_of", lambda *_: b"x" * 2**21)
    message = r"the answer .*limit of 1048576.*--batch-size"
    with (
        Client(stand_in.address, limits=Limits(message_mib=1)) as client,
        pytest.raises(TooLargeError, match=message),
    ):
        client.generate([1], [9])
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_servers_own_limit_is_told_and_tried_once(transport):
    stand_in, noise = StandIn(), np.random.default_rng(0).integers(0, 256, (400, 400, 3), "uint8")
    if transport == "grpc":
        limit = ("grpc.max_receive_message_length", 1000)
        server, port = grpc_server(stand_in, options=[limit])
        address = f"localhost:{port}"
    else:
        server, port = rest_server(stand_in, most=1000)
        address = f"http://localhost:{port}"
    message = "the server refused a request for its size: .*1000.*the server's limit"
    with Client(address) as client, pytest.raises(TooLargeError, match=message):
        client.classify([noise], class_names=NAMES)
    assert len(stand_in.requests) <= 1
    stop(server)


def test_a_large_image_goes_alone(stand_in):
    noise = np.random.default_rng(0).integers(0, 256, (1000, 900, 3), "uint8")
    with Client(stand_in.address) as client:
        client.classify([noise, noise, grey(0), grey(0)], class_names=NAMES)
    # 2.7 MB each: two do not fit in the usual 4 MiB.
    assert sorted(rows for _, rows in stand_in.requests) == [1, 3]


def test_a_name_with_several_addresses_is_resolved_by_grpc(grpc_stand_in):
    with Client(f"dns:///{grpc_stand_in.address}") as client:
        assert len(client.status("cdd_classifier")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"address": "localhost"}, "'localhost' is no address. Expected HOST:PORT"),
        ({"address": "localhost:99999"}, "is no address"),
        ({"deadline": 0}, "The deadline is 0 s"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    with pytest.raises(UsageError, match=message):
        Client(**arguments)


def test_wrong_choices_are_told(client):
    with pytest.raises(UsageError, match="No domain is called 'photo'"):
        client.translate([grey(0)], to="photo")
    with pytest.raises(UsageError, match=r"No class is called 'brigt'. Did you mean bright\?"):
        client.generate(["brigt"], [0])
    with pytest.raises(UsageError, match="2 labels, but 1 seeds"):
        client.generate([0, 0], [0])
    with pytest.raises(UsageError, match="batch size is out of range: 0"):
        Limits(rows=0)
