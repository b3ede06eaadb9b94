"""The signatures of an export, called as a client calls them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny import floats, images

from cdd_keras.data.preprocessing import to_float, to_uint8
from cdd_keras.domains import DOMAINS, SOURCE, TARGET

LABELS = ("no-eyeglasses", "eyeglasses")


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


PNGS = [png(image) for image in images()]


def int32(*values):
    return tf.constant(values, tf.int32)


def seeds(*values):
    return tf.constant(values, tf.int64)


@pytest.mark.parametrize(("signature", "domain"), [("serving_default", TARGET), ("source", SOURCE)])
def test_scores_are_the_models(exported, classifier, signature, domain):
    run, _ = exported
    found = classifier[signature](image=tf.constant(floats()))
    expected = np.exp(run.model.classify(tf.constant(floats()), domain))
    np.testing.assert_allclose(found["scores"], expected, atol=1e-4)
    np.testing.assert_array_equal(found["class_ids"], expected.argmax(-1))
    assert found["class_ids"].dtype == tf.int64


@pytest.mark.parametrize(
    ("signature", "domain"), [("predict_bytes", TARGET), ("source_bytes", SOURCE)]
)
def test_files_are_read_as_the_commands_read_them(exported, classifier, signature, domain):
    run, _ = exported
    found = classifier[signature](image_bytes=tf.constant(PNGS))["scores"]
    expected = np.exp(run.model.classify(to_float(run.preprocessing.apply(images())), domain))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_examples_are_classified_by_name(classifier):
    def example(content):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
        features = tf.train.Features(feature={"image_bytes": feature})
        return tf.train.Example(features=features).SerializeToString()

    found = classifier["classify"](inputs=tf.constant([example(one) for one in PNGS]))
    scores = classifier["predict_bytes"](image_bytes=tf.constant(PNGS))["scores"]
    np.testing.assert_array_equal(found["scores"], scores)
    assert [[name.decode() for name in row] for row in found["classes"].numpy()] == [
        list(LABELS)
    ] * len(PNGS)


def test_a_row_is_drawn_alike_alone_and_in_a_batch(generator):
    rows = {"label": int32(0, 1, -1, 1), "seed": seeds(5, 6, 7, 2**40), "domain": int32(0, 1, 1, 0)}
    together = generator["serving_default"](**rows)["images"].numpy().astype(int)
    for number in range(4):
        alone = {name: value[number : number + 1] for name, value in rows.items()}
        drawn = generator["serving_default"](**alone)["images"].numpy().astype(int)
        assert np.abs(drawn[0] - together[number]).max() <= 1
    assert np.abs(together[0] - together[3]).max() > 1


def test_samples_are_the_models(exported, generator):
    run, _ = exported
    found = generator["serving_default"](label=int32(1), seed=seeds(3), domain=int32(1))["images"]
    expected = to_uint8(run.model.sample(int32(1), TARGET, 3)).numpy().astype(int)
    assert np.abs(found.numpy() - expected).max() <= 1


@pytest.mark.parametrize("label", [-1, 0, 1])
def test_translations_are_the_models_each_row_by_its_domains(exported, generator, label):
    run, _ = exported
    sources, targets = (0, 0, 1, 1), (0, 1, 0, 1)
    found = generator["translate"](
        image=tf.constant(floats()),
        label=int32(*[label] * 4),
        source_domain=int32(*sources),
        target_domain=int32(*targets),
    )["images"].numpy()
    for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
        image = tf.constant(floats()[row : row + 1])
        drawn = run.model.translate(image, DOMAINS[source], DOMAINS[target], int32(label))
        assert np.abs(found[row].astype(int) - to_uint8(drawn).numpy()[0]).max() <= 1


def test_keep_draws_the_value_that_is_read(exported, generator):
    run, _ = exported
    domains = {"source_domain": int32(0, 0, 1, 1), "target_domain": int32(1, 1, 0, 0)}
    image = tf.constant(floats())
    read = [
        int(np.argmax(run.model.classify(image[row : row + 1], DOMAINS[int(domain)])))
        for row, domain in enumerate(domains["source_domain"])
    ]
    kept = generator["translate"](image=image, label=int32(*[-2] * 4), **domains)["images"]
    named = generator["translate"](image=image, label=int32(*read), **domains)["images"]
    np.testing.assert_array_equal(kept, named)


def test_bytes_and_pngs_hold_the_same_images(generator):
    rows = {
        "label": int32(0, 1, -1, -2),
        "source_domain": int32(0, 1, 0, 1),
        "target_domain": int32(1, 1, 0, 0),
    }
    drawn = generator["translate_bytes"](image_bytes=tf.constant(PNGS), **rows)["images"]
    files = generator["translate_bytes_png"](image_bytes=tf.constant(PNGS), **rows)["image_bytes"]
    for image, content in zip(drawn.numpy(), files.numpy(), strict=True):
        np.testing.assert_array_equal(Image.open(io.BytesIO(content)), image)


def test_an_empty_batch_gives_empty_answers(classifier, generator):
    none = tf.zeros((0, 16, 16, 3))
    assert classifier["serving_default"](image=none)["scores"].shape == (0, 2)
    empty = {"label": int32(), "source_domain": int32(), "target_domain": int32()}
    assert generator["translate"](image=none, **empty)["images"].shape == (0, 16, 16, 3)
    drawn = generator["serving_default_png"](label=int32(), seed=seeds(), domain=int32())
    assert drawn["image_bytes"].shape == (0,)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": int32(2)}, "`label` is out of range"),
        ({"label": int32(-2)}, "`label` is out of range"),
        ({"domain": int32(2)}, "`domain` is out of range"),
        ({"domain": int32(-1)}, "`domain` is out of range"),
        ({"seed": seeds(1, 2)}, "differ in their number of rows"),
    ],
)
def test_rows_out_of_range_are_refused(generator, changes, reason):
    rows = {"label": int32(0), "seed": seeds(0), "domain": int32(0), **changes}
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        generator["serving_default"](**rows)


@pytest.mark.parametrize("signature", ["serving_default", "source"])
def test_the_shape_of_images_is_checked_in_the_graph(classifier, signature):
    # TF Serving feeds what a client sends without comparing it with the signature.
    graph = classifier[signature].graph.as_graph_def()
    nodes = [node for function in graph.library.function for node in function.node_def]
    checked = [node.attr["shape"].shape for node in nodes if node.op == "EnsureShape"]
    assert [-1, 16, 16, 3] in [[dim.size for dim in shape.dim] for shape in checked]
