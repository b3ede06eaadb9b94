"""`python -m serving.client translate`: redraws image files in a domain, by a server."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from serving import cli
from serving.client import naming, options
from serving.client.client import GENERATOR
from serving.client.files import check_png, inputs_beside, make_folder, output_files, write_file
from serving.client.folders import FolderSender
from serving.client.grids import draw_grid, save_png
from serving.client.images import find_images, pixels
from serving.client.labels import DOMAINS, KEEP_LABEL, NO_LABEL, label_index
from serving.client.progress import Progress

DESCRIPTION = "Redraw images in a domain, as they are or with another attribute value."
EPILOG = (
    "One PNG an image, of the model's size and the image's name; the name is made longer where "
    "two images share it or an image given would be overwritten. What was there before is "
    "replaced. What cannot be read is named on stderr and skipped."
)
KEEP = "keep"
# Images in the picture of --grid.
MOST = 16


def run(arguments: list[str]) -> int | None:
    """Parses the command line and translates; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    model = options.model_of(parsed)
    out = Path(parsed.out)
    paths = inputs_beside(find_images(parsed.images), parsed.images, out)
    make_folder("--out", out)
    if parsed.grid:
        check_png("--grid", parsed.grid)
    files = dict(zip(paths, output_files(paths, out), strict=True))
    with options.connect(parsed) as client, Progress(len(paths)) as progress:
        draw = client.translating(parsed.to, parsed.source, _label(parsed, client), model)
        sender, pairs = FolderSender(draw, client.limits, progress), []
        for path, sent, png in sender(paths):
            write_file(files[path], png)
            pairs += [(sent, png)] if len(pairs) < MOST else []
        if parsed.grid and pairs:
            save_png(_grid(pairs, parsed), parsed.grid)
        progress.say(f"{sender.summary('translated')}: {out}")
        return sender.exit_code


def _parser() -> cli.Parser:
    parser = cli.Parser("client translate", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("images", metavar="IMAGE_OR_DIR", nargs="+", help="images, or folders")
    parser.add_argument(
        "--from",
        dest="source",
        choices=DOMAINS,
        default="target",
        help="domain of the images (default: target)",
    )
    parser.add_argument("--to", choices=DOMAINS, required=True, help="domain to draw in")
    parser.add_argument(
        "--set",
        metavar="VALUE|keep",
        help="attribute value to draw, by name or index; keep: the one an image is judged to "
        "have; without it none is drawn",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="folder of the results")
    parser.add_argument(
        "--grid",
        metavar="FILE.png",
        type=Path,
        help=f"also a picture of the first {MOST}, above what they became",
    )
    naming.add_names(parser)
    options.add_model(parser, GENERATOR)
    options.add_batching(parser)
    options.add_connection(parser)
    return parser


def _label(parsed, client) -> int:
    if parsed.set is None:
        return NO_LABEL
    if parsed.set.strip().lower() == KEEP:
        return KEEP_LABEL
    return label_index(parsed.set, naming.names_of(parsed, client))


def _grid(pairs, parsed) -> Image.Image:
    made = pixels(png for _, png in pairs)
    size = made.shape[2], made.shape[1]
    given = np.stack([_fitted(sent, size) for sent, _ in pairs])
    word = f" {parsed.set}" if parsed.set else ""
    return draw_grid([(f"given {parsed.source}", given), (f"{parsed.to}{word}", made)])


def _fitted(file: bytes, size) -> np.ndarray:
    return np.asarray(ImageOps.fit(Image.fromarray(pixels([file])[0]), size))
