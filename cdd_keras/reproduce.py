"""`python -m cdd_keras.reproduce`: runs the paper's tables, its competitors and references."""

import signal
import sys
from dataclasses import fields
from pathlib import Path

from cdd_keras import cli, schema
from cdd_keras.config import Config
from cdd_keras.errors import UsageError
from cdd_keras.signals import exit_on_sigterm
from cdd_keras.tables import ROWS, SETTLED, TABLES

DESCRIPTION = "Train the methods of a table, and write it beside the published figures."
EPILOG = (
    "Finished runs are skipped, so a stopped command goes on where it was, and more methods or "
    "seeds can be added. Settings of `train`, such as --steps 200, hold for all runs."
)
ALL = "all"
# Wrong settings or data, as the others' would be; interrupted or told to end, however early.
STOPPING = (2, 130, 143, -signal.SIGINT, -signal.SIGTERM)


@exit_on_sigterm()
def run(arguments: list[str]) -> int | None:
    """Parses the command line, trains what is missing and writes the table; the exit code."""
    parsed = _parser().parse_args(arguments)
    table, out, rows = TABLES[parsed.table], Path(parsed.out), _rows(parsed)
    changes = _changes(parsed)
    data_dir = Path(parsed.data_dir)
    if not data_dir.is_dir():
        raise UsageError(f"`--data-dir` is not a folder: {data_dir}.")
    from cdd_keras.inference import make_folder
    from cdd_keras.reproduction import complete, draw_figure, measure_all_target, plan, stored

    make_folder("--out", out)
    runs = plan(table, rows, parsed.seeds, data_dir, out, changes)
    shown = [*runs, *stored(table, runs, data_dir, out, changes)]
    failed = False
    for planned in runs:
        code = complete(planned, _say)
        if code in STOPPING:
            return code
        failed |= code != 0
        if code == 0:
            measure_all_target(planned)
            draw_figure(planned, out / f"{planned.task.name}-{planned.row}.png")
        text = _write(parsed.table, table, shown, changes, out)
    print(text, end="")
    return int(failed)


def _parser() -> cli.Parser:
    parser = cli.Parser("reproduce", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("--table", choices=TABLES, required=True, help="which table")
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        choices=(*ROWS, ALL),
        help="its rows; source_only_raw is source_only on raw colours (default: the table's)",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="runs a method, seeds 0 to N - 1 (1)"
    )
    parser.add_argument("--data-dir", metavar="DIR", required=True, help="folder of the data")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder of runs and table")
    group = parser.add_argument_group("settings of all runs, see `train --help`")
    for field in fields(Config):
        if field.name not in SETTLED:
            group.add_argument(schema.flag(field), dest=f"set_{field.name}", metavar="VALUE")
    return parser


def _rows(parsed) -> tuple[str, ...]:
    if not 1 <= parsed.seeds <= 1000:
        raise UsageError(f"`--seeds` is out of range: {parsed.seeds}. Expected 1 to 1000.")
    rows = parsed.methods or TABLES[parsed.table].rows
    return tuple(ROWS) if ALL in rows else tuple(dict.fromkeys(rows))


def _changes(parsed) -> dict:
    """{setting: value} of those that are given."""
    changes = {}
    for field in fields(Config):
        text = getattr(parsed, f"set_{field.name}", None)
        if text is not None:
            changes[field.name] = schema.parse(field, text, schema.flag(field))
    return changes


def _write(name, table, runs, changes, out: Path) -> str:
    """Writes the table's two files; gives the Markdown."""
    # What is known of the methods comes with their networks.
    cli.load_tensorflow()
    from cdd_keras.files import write_json, write_text
    from cdd_keras.table_report import collect, markdown

    result = collect(name, table, runs, changes)
    text = markdown(result)
    write_json(out / f"table-{name}.json", result)
    write_text(out / f"table-{name}.md", text)
    return text


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.leave(cli.main(run))
