"""The signatures of the two SavedModels, as functions of tensors.

Encodings: domain 0 source, 1 target; label the index of an attribute value, -1 none (the base
image), -2 keep (the value an image is judged to have).
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from cdd_keras.data.preprocessing import to_float, to_uint8
from cdd_keras.domains import DOMAINS, NO_VALUE, SOURCE, TARGET
from cdd_keras.layers.random import Draws
from cdd_keras.savedmodel.decoding import decode_images

KEEP_VALUE = -2
# The feature of a tf.Example that holds an image.
EXAMPLE_FEATURE = "image_bytes"


@dataclass(frozen=True)
class Endpoint:
    """A signature: `function` takes tensors of the `inputs` in order and gives {name: tensor}."""

    inputs: tuple[tf.TensorSpec, ...]
    function: Callable


def classifier_endpoints(run) -> dict[str, Endpoint]:
    """{signature: Endpoint} that read the attribute; `run` is an `OpenRun`.

    Target images are what is read where a signature does not say otherwise.
    """
    values = tf.constant(run.attribute.values)

    def read(images, domain):
        scores = _unless_empty(
            images,
            lambda: tf.exp(run.model.classify(images, domain)),
            (run.model.classes,),
        )
        return {"scores": scores, "class_ids": tf.argmax(scores, -1)}

    def of_images(domain):
        return Endpoint((image_spec(run),), lambda image: read(_checked(run, image), domain))

    def of_bytes(domain):
        return Endpoint((_BYTES,), lambda image_bytes: read(_decoded(run, image_bytes), domain))

    def classify(inputs):
        feature = tf.io.FixedLenFeature((), tf.string)
        parsed = tf.io.parse_example(inputs, {EXAMPLE_FEATURE: feature})
        scores = read(_decoded(run, parsed[EXAMPLE_FEATURE]), TARGET)["scores"]
        return {"classes": tf.broadcast_to(values, tf.shape(scores)), "scores": scores}

    return {
        "serving_default": of_images(TARGET),
        "source": of_images(SOURCE),
        "predict_bytes": of_bytes(TARGET),
        "source_bytes": of_bytes(SOURCE),
        "classify": Endpoint((tf.TensorSpec((None,), tf.string, name="inputs"),), classify),
    }


def generator_endpoints(run) -> dict[str, Endpoint]:
    """{signature: Endpoint} that draw: samples, and translations where there is an encoder."""
    sample = Endpoint(
        (_row("label"), _row("seed", tf.int64), _row("domain")),
        lambda label, seed, domain: {"images": to_uint8(_sample(run, label, seed, domain))},
    )
    endpoints = {"serving_default": sample}
    if run.model.has_encoder:
        rows = (_row("label"), _row("source_domain"), _row("target_domain"))

        def translating(spec, load):
            def translate(images, *choices):
                return {"images": to_uint8(_translate(run, load(run, images), *choices))}

            return Endpoint((spec, *rows), translate)

        endpoints["translate"] = translating(image_spec(run), _checked)
        endpoints["translate_bytes"] = translating(_BYTES, _decoded)
    return {**endpoints, **{f"{name}_png": _as_png(one) for name, one in endpoints.items()}}


def image_spec(run) -> tf.TensorSpec:
    """What `image` is: float32 (None, size, size, 3) in [-1, 1]."""
    size = run.model.image_size
    return tf.TensorSpec((None, size, size, 3), tf.float32, name="image")


_BYTES = tf.TensorSpec((None,), tf.string, name="image_bytes")


def _row(name, kind=tf.int32):
    return tf.TensorSpec((None,), kind, name=name)


def _checked(run, images):
    # TF Serving does not compare a request's shape with the signature's.
    return tf.ensure_shape(images, image_spec(run).shape)


def _decoded(run, image_bytes):
    return to_float(decode_images(image_bytes, run.preprocessing))


def _as_png(endpoint):
    def draw(*inputs):
        images = endpoint.function(*inputs)["images"]
        pngs = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.TensorSpec((), tf.string))
        return {"image_bytes": pngs}

    return Endpoint(endpoint.inputs, draw)


def _sample(run, labels, seeds, domains):
    """float32 (batch, size, size, 3); a row depends on its own inputs alone."""
    model = run.model
    with tf.control_dependencies(
        [
            _same_length(label=labels, seed=seeds, domain=domains),
            _between(labels, NO_VALUE, model.classes - 1, "label"),
            _between(domains, 0, len(DOMAINS) - 1, "domain"),
        ]
    ):
        labels, seeds, domains = map(tf.identity, (labels, seeds, domains))
    # One draw a row, so that a row is the same alone or in a batch.
    codes = tf.map_fn(
        lambda seed: model.prior.sample(1, Draws(seed))[0],
        seeds,
        fn_output_signature=tf.TensorSpec(model.prior.shape, tf.float32),
    )
    strengths = tf.fill(tf.shape(labels), model.config.translation_strength)
    return _drawn(run, domains, codes, labels, strengths)


def _translate(run, images, labels, sources, targets):
    """float32 (batch, size, size, 3); a row depends on its own inputs alone."""
    model = run.model
    with tf.control_dependencies(
        [
            _same_length(image=images, label=labels, source_domain=sources, target_domain=targets),
            _between(labels, KEEP_VALUE, model.classes - 1, "label"),
            _between(sources, 0, len(DOMAINS) - 1, "source_domain"),
            _between(targets, 0, len(DOMAINS) - 1, "target_domain"),
        ]
    ):
        labels, sources, targets = map(tf.identity, (labels, sources, targets))
    keep = labels == KEEP_VALUE
    if not model.networks["generator"].draws_base:
        keep = keep | (labels == NO_VALUE)

    def read(domain, image):
        return tf.argmax(model.classify(image, domain), -1, tf.int32)

    # Reading costs as much as drawing: only where a row asks for it.
    judged = tf.cond(
        tf.reduce_any(keep),
        lambda: _by_domain(sources, read, (), images, kind=tf.int32),
        lambda: tf.zeros_like(labels),
    )
    values = tf.where(keep, judged, labels)
    codes = _by_domain(
        sources, lambda domain, image: model.encode(image, domain), model.prior.shape, images
    )
    within, across = (model.strength(SOURCE, domain) for domain in (SOURCE, TARGET))
    strengths = tf.where(sources == targets, within, across)
    return _drawn(run, targets, codes, values, strengths)


def _drawn(run, domains, *rows):
    """Images of codes, values and strengths, each row in its own domain."""

    def draw(domain, *chosen):
        code, *others = chosen
        return run.model.decode(code, domain, *others)

    return _by_domain(domains, draw, image_spec(run).shape[1:], *rows)


def _by_domain(domains, function, shape, *rows, kind=tf.float32):
    """`function(domain, *rows)` with each row in its own domain, in the rows' order.

    Args:
        domains: int32 (batch,), 0 or 1.
        function: gives (rows, *shape) of the `kind`.
        shape: of a row's result.
        *rows: tensors (batch, ...).
    """
    places = tf.dynamic_partition(tf.range(tf.size(domains)), domains, len(DOMAINS))

    def part(domain, place):
        chosen = [tf.gather(row, place) for row in rows]
        return _unless_empty(place, lambda: function(domain, *chosen), shape, kind)

    parts = [part(domain, place) for domain, place in zip(DOMAINS, places, strict=True)]
    return tf.ensure_shape(tf.dynamic_stitch(places, parts), (None, *shape))


def _unless_empty(rows, function, shape, kind=tf.float32):
    # oneDNN's convolutions fail on no rows at all ("input depth must be evenly divisible by
    # filter depth", TensorFlow 2.21); nor need a domain without rows be computed.
    return tf.cond(
        tf.shape(rows)[0] > 0,
        lambda: tf.ensure_shape(function(), (None, *shape)),
        lambda: tf.zeros((0, *shape), kind),
    )


def _between(values, low, high, name):
    message = f"`{name}` is out of range: expected {low} to {high}."
    inside = tf.reduce_all((values >= low) & (values <= high))
    return tf.debugging.Assert(inside, [message, "Got:", values])


def _same_length(**rows):
    counts = tf.stack([tf.shape(row)[0] for row in rows.values()])
    message = f"The inputs {', '.join(rows)} differ in their number of rows:"
    return tf.debugging.Assert(tf.reduce_all(counts == counts[0]), [message, counts])
