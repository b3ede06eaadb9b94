"""`python -m cdd_keras.translate`: redraws image files in a domain, with a value of choice."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cdd_keras import cli
from cdd_keras.domains import DOMAINS, NO_VALUE, TARGET
from cdd_keras.errors import UsageError
from cdd_keras.strengths import add_strengths, strengths_given

DESCRIPTION = "Redraw images in a domain, as they are or with another attribute value."
EPILOG = (
    "One PNG an image, of the model's size and the image's name; the name is made longer where "
    "two images share it or an image given would be overwritten. What was there before is "
    "replaced. What cannot be read is named on stderr and skipped."
)
KEEP = "keep"


def run(arguments: list[str]) -> int | None:
    """Parses the command line and translates; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    from cdd_keras.inference import ImageReader, find_run, make_folder, open_run, refusal, require

    attribute = find_run(parsed.run).attribute
    value = _value(parsed.set, attribute)
    strengths = strengths_given(parsed)
    out = Path(parsed.out)
    paths = inputs(parsed.images, out)
    make_folder("--out", out)
    cli.load_tensorflow()
    run = open_run(parsed.run, strengths=strengths)
    require(run, "encoder", "generator")
    if not run.model.can_translate(parsed.target):
        raise refusal(run, f"draws no {parsed.target} images")
    if parsed.set is not None and not run.model.traits.shows_values:
        raise refusal(run, "draws images without a value of choice. Leave --set out")
    reader = ImageReader(run.preprocessing, _say, run.batch_size)
    files = dict(zip(paths, output_files(paths, out), strict=True))
    for read, images in reader(paths):
        made = _translated(run, images, parsed.source, parsed.target, value)
        _save(made, [files[path] for path in read])
    _say(f"{reader.summary('translated')}: {out}")
    return reader.exit_code


def _parser() -> cli.Parser:
    parser = cli.Parser("translate", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("images", metavar="IMAGE_OR_DIR", nargs="+", help="images, or folders")
    parser.add_argument(
        "--from",
        dest="source",
        choices=DOMAINS,
        default=TARGET,
        help="domain of the images (default: target)",
    )
    parser.add_argument(
        "--to", dest="target", choices=DOMAINS, required=True, help="domain to draw in"
    )
    parser.add_argument(
        "--set",
        metavar="VALUE|keep",
        help="attribute value to draw, by name or index; keep: the one an image is judged to "
        "have; without it none is drawn",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="folder of the results")
    add_strengths(parser)
    return parser


def _value(text: str | None, attribute) -> int | str:
    if text is None:
        return NO_VALUE
    return KEEP if text.strip().lower() == KEEP else attribute.index(text)


def _translated(run, images, source, target, value):
    """uint8 images (n, size, size, 3) redrawn; `value` is an index, -1 for none, or "keep"."""
    import tensorflow as tf

    from cdd_keras.data.preprocessing import to_float, to_uint8

    real = to_float(images)
    if value == KEEP:
        values = tf.argmax(run.model.classify(real, source), -1, tf.int32)
    else:
        values = tf.fill((len(images),), value)
    return to_uint8(run.model.translate(real, source, target, values)).numpy()


def _save(images, files: Sequence[Path]) -> None:
    from PIL import Image

    from cdd_keras.inference import save_picture

    for image, file in zip(images, files, strict=True):
        save_picture(Image.fromarray(image), file)


def inputs(arguments: Sequence[str], out: Path) -> list[Path]:
    """The images of files and folders, each once.

    What an earlier translation left in `out` is not taken up from a folder that `out` lies in.

    Raises:
        UsageError: see `find_images`; or nothing but such results is there.
    """
    from cdd_keras.data.images import find_images
    from cdd_keras.inference import distinct

    named = set(map(Path, arguments))
    place = out.resolve()
    meant = any(place in (path.resolve(), *path.resolve().parents) for path in named)
    found = distinct(find_images(arguments))
    if meant:
        return found
    paths = [path for path in found if place not in path.resolve().parents]
    if not paths:
        raise UsageError(f"There are no images but those in {out}, where the results go.")
    return paths


def output_files(paths: Sequence[Path], out: Path) -> list[Path]:
    """A PNG in `out` for each image: all different, and none of the images itself.

    `a.jpg` becomes `a.png`. Where two images would share that, or it is an image given, it
    becomes `a.jpg.png`, then `folder_a.jpg.png`, and so on upwards.

    Args:
        paths: image files, each once.
        out: an existing folder.
    """
    given = {_key(path) for path in paths}
    lengths = [0] * len(paths)
    while True:
        files = [
            out / _name(path, number, length)
            for number, (path, length) in enumerate(zip(paths, lengths, strict=True))
        ]
        keys = [_key(file) for file in files]
        count = Counter(keys)
        taken = [count[key] > 1 or key in given for key in keys]
        if not any(taken):
            return files
        lengths = [length + clash for length, clash in zip(lengths, taken, strict=True)]


def _key(path: Path) -> str:
    # Links in the way are followed, but replacing a file that is a link replaces the link. A
    # file system may take `A.png` and `a.png` for one.
    return os.path.join(os.path.realpath(path.parent), path.name).casefold()


def _name(path: Path, number: int, length: int) -> str:
    """A name from the last `length` parts of a path; 0 for its stem alone."""
    parts = path.absolute().parts[1:]
    # `a_b/c` and `a/b_c` do not even differ as a whole: then the image's number helps.
    prefix = f"{number}_" * max(0, length - len(parts))
    return prefix + ("_".join(parts[-length:]) if length else path.stem) + ".png"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.leave(cli.main(run))
