"""The models of the serving tests, as any TensorFlow Serving could serve them.

`python tests/serving/zoo.py DIR` writes them with a `models.config`, so that the same tests can be
pointed at another server that has them:

    pytest tests/serving --server-address HOST:PORT --rest-address HOST:PORT
"""

import sys
from pathlib import Path

# {model: versions}; what each answers is told in its builder.
HALF_PLUS_TWO = "half_plus_two"
HALF_PLUS_THREE = "half_plus_three"
VERSION = 123
TENSORS = "tensors"
CLASSIFIER = "keras_classifier"
SLOW = "slow"
KINDS = {
    **{"float": "float32", "double": "float64", "half": "float16", "bfloat": "bfloat16"},
    **{"int32": "int32", "int64": "int64", "uint8": "uint8", "int8": "int8", "int16": "int16"},
    **{"uint32": "uint32", "uint64": "uint64", "uint16": "uint16", "bool": "bool"},
    **{"string_bytes": "string", "text": "string", "complex": "complex64"},
}


def write_zoo(folder: Path) -> None:
    """Writes every model below the folder, and `models.config` beside them."""
    write_half_plus(folder / HALF_PLUS_TWO / str(VERSION), 2.0)
    write_half_plus(folder / HALF_PLUS_THREE / str(VERSION), 3.0)
    write_tensors(folder / TENSORS / "1")
    write_classifier(folder / CLASSIFIER / "1")
    write_slow(folder / SLOW / "1")
    names = (HALF_PLUS_TWO, HALF_PLUS_THREE, TENSORS, CLASSIFIER, SLOW)
    (folder / "models.config").write_text(models_config(folder, names))


def models_config(folder: Path, names) -> str:
    """A ModelServerConfig file's text."""
    platform = 'model_platform: "tensorflow"'
    lines = [f'  config {{ name: "{n}" base_path: "{folder / n}" {platform} }}' for n in names]
    return "\n".join(["model_config_list {", *lines, "}"])


def write_half_plus(path: Path, constant: float) -> None:
    """TensorFlow's own half_plus_two: a SavedModel of TensorFlow 1, y = x / 2 + constant.

    Its graph reads tf.Examples with feature `x`; `predict` feeds the parsed tensor in the middle.
    Signatures: serving_default, regress_x_to_y, classify_x_to_y.
    """
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        half = v1.get_variable("a", initializer=0.5)
        added = v1.get_variable("b", initializer=constant)
        examples = v1.placeholder(tf.string, name="tf_example")
        spec = {"x": tf.io.FixedLenFeature([1], tf.float32)}
        x = tf.identity(tf.io.parse_example(examples, spec)["x"], name="x")
        y = tf.add(tf.multiply(half, x), added, name="y")
        session.run(v1.global_variables_initializer())
        info = v1.saved_model.utils.build_tensor_info
        build = v1.saved_model.signature_def_utils.build_signature_def
        prefix = "tensorflow/serving"
        signatures = {
            "serving_default": build({"x": info(x)}, {"y": info(y)}, f"{prefix}/predict"),
            "regress_x_to_y": build(
                {"inputs": info(examples)}, {"outputs": info(y)}, f"{prefix}/regress"
            ),
            "classify_x_to_y": build(
                {"inputs": info(examples)}, {"scores": info(y)}, f"{prefix}/classify"
            ),
        }
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


def write_tensors(path: Path) -> None:
    """Signatures for tensors of every kind.

    `serving_default` gives back what it is given, a tensor of each of KINDS; `sum` adds a and b;
    `checked` means over images of 2 x 2, whose shape it checks; `bytes` measures strings;
    `decoded` reads image files.
    """
    import tensorflow as tf

    module = tf.Module()

    def echo(**inputs):
        return {name: tf.identity(value) for name, value in inputs.items()}

    def total(a, b):
        return {"sum": a + b, "a": tf.identity(a)}

    def checked(image):
        image = tf.ensure_shape(image, (None, 2, 2))
        return {"mean": tf.reduce_mean(image, (1, 2))}

    def measured(image_bytes):
        return {"image_bytes": image_bytes, "length": tf.strings.length(image_bytes)}

    def decoded(image_bytes):
        def decode(one):
            image = tf.io.decode_image(one, channels=3, expand_animations=False)
            return tf.image.resize(image, (4, 4))

        spec = tf.TensorSpec((4, 4, 3), tf.float32)
        return {"image": tf.map_fn(decode, image_bytes, fn_output_signature=spec)}

    specs = {name: tf.TensorSpec(None, kind, name=name) for name, kind in KINDS.items()}
    module.echo = tf.function(echo).get_concrete_function(**specs)
    rows = tf.TensorSpec((None,), tf.float32)
    module.total = tf.function(total).get_concrete_function(a=rows, b=rows)
    image = tf.TensorSpec((None, 2, 2), tf.float32)
    module.checked = tf.function(checked).get_concrete_function(image=image)
    files = tf.TensorSpec((None,), tf.string)
    module.decoded = tf.function(decoded).get_concrete_function(image_bytes=files)
    strings = tf.TensorSpec(None, tf.string)
    module.measured = tf.function(measured).get_concrete_function(image_bytes=strings)
    signatures = {
        "serving_default": module.echo,
        "bytes": module.measured,
        "decoded": module.decoded,
        "sum": module.total,
        "checked": module.checked,
    }
    tf.saved_model.save(module, str(path), signatures=signatures)


def write_classifier(path: Path) -> None:
    """A plain Keras classifier of 4 numbers in 3 classes, as `model.export` writes it."""
    import keras
    import numpy as np

    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.build((None, 4))
    model.set_weights([np.eye(4, 3, dtype="float32"), np.zeros(3, "float32")])
    model.export(str(path), verbose=False)


def write_slow(path: Path, version: int = 1) -> None:
    """`serving_default`: as many small steps as the largest of `steps` says, about 250 µs each.

    Gives {"version", "steps"} a row each.
    """
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(tf.eye(192) * 0.5)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32, name="steps")])
    def work(steps):
        def step(done, state):
            return done + 1, tf.tanh(state @ module.weights)

        count = tf.reduce_max(steps)
        _, state = tf.while_loop(lambda done, _: done < count, step, (0, tf.eye(192)))
        nothing = tf.cast(tf.reduce_sum(state) * 0, tf.int32)
        return {"version": tf.zeros_like(steps) + version + nothing, "steps": steps}

    tf.saved_model.save(module, str(path), signatures=work)


def write_versioned(path: Path, version: int) -> None:
    """`serving_default`: {"y": x + 1000 * version, "version"}, of x float32 (n,)."""
    import tensorflow as tf

    module = tf.Module()
    module.added = tf.Variable(1000.0 * version)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def add(x):
        return {"y": x + module.added, "version": tf.zeros_like(x) + version}

    tf.saved_model.save(module, str(path), signatures=add)


if __name__ == "__main__":
    write_zoo(Path(sys.argv[1]).absolute())
