"""The scripts on tiny cases: what they write holds what they promise."""

import io
import json
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
import scaling
import serving_commits
import serving_contest
import startup
import train_peer
import train_step

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"
TINY = ["--method", "source_only", "--image-size", "16"]


def run(script, *flags, out):
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), "--out", str(out), *flags],
        capture_output=True,
        text=True,
        cwd=FOLDER.parent,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


def test_train_step_writes_what_it_promises(tmp_path):
    flags = ["--batch-size", "4", "--channels", "2", "--precision", "float32", "--seconds", "0"]
    report, text = run("train_step.py", *TINY, *flags, "--rounds", "1", out=tmp_path / "steps.json")
    assert {"processor", "cores", "commit", "tensorflow", "load_before"} <= set(report["machine"])
    (row,) = report["rows"]
    assert set(train_step.COLUMNS) <= set(row)
    assert row["mfu"] == pytest.approx(row["flops"] / row["ms"] * 1e3 / row["peak"])
    assert 1 <= len(row["ops"]) <= 10
    assert "dearest ops" in text


def test_input_pipeline_writes_what_it_promises(tmp_path):
    flags = ["--batch-size", "4", "--images", "40", "--precision", "float32", "--seconds", "0"]
    report, _ = run("input_pipeline.py", *TINY, *flags, out=tmp_path / "pipeline.json")
    (row,) = report["rows"]
    assert row["ratio"] == pytest.approx(row["images_per_second"] / row["consumed"])
    assert row["count"] == 40


def test_startup_finds_the_commands_light(tmp_path):
    row = startup.command_row("cdd_keras.train", repeats=1)
    assert row["heavy"] == "none of them"
    assert 0 < row["fastest"] <= row["median"]


def test_a_command_that_gives_another_exit_code_is_told(monkeypatch):
    monkeypatch.setitem(startup.COMMANDS, "cdd_keras.train", 0)
    with pytest.raises(SystemExit, match="gave 2"):
        startup.command_row("cdd_keras.train", repeats=1)


def test_growth_is_the_exponent():
    rows = [
        {"varied": "image_size", "value": 32, "ms": 10.0, "memory": 100.0},
        {"varied": "image_size", "value": 64, "ms": 40.0, "memory": 200.0},
    ]
    grown = scaling.grown(rows)
    assert "growth" not in grown[0]
    assert grown[1]["growth"] == pytest.approx(1)
    assert grown[1]["memory_growth"] == pytest.approx(0.5)


def test_plot_of_one_quantity(tmp_path):
    rows = [{"varied": "channels", "value": n, "ms": n, "memory": n} for n in (8, 16)]
    scaling.plot({"steps": rows}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_losses_that_differ_are_refused():
    ours = {"a": 1.0, "b": 2.0}
    assert train_peer.differences(ours, {"a": 1.0, "b": 2.0}) == {"a": 0.0, "b": 0.0}
    far = train_peer.differences(ours, {"a": 1.0, "b": 2.1})
    with pytest.raises(SystemExit, match="'b'"):
        train_peer.refuse(far, 1e-3, "of a step")
    with pytest.raises(SystemExit, match="b"):
        train_peer.differences(ours, {"a": 1.0})


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """One of two commits, the first without a server."""
    folder = tmp_path / "repository"

    def git(*arguments):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(folder), *author, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    (folder / "serving").mkdir(parents=True)
    git("init")
    git("commit", "--allow-empty", "-m", "Begin")
    (folder / "serving" / "server.py").touch()
    (folder / "README.md").touch()
    git("add", ".")
    git("commit", "-m", "Serve")
    monkeypatch.setattr(serving_commits, "ROOT", folder)


def test_a_commit_of_the_server_is_unpacked(repository, tmp_path):
    name, (commit, environment) = serving_commits.contestant(1, "HEAD,A=1,B=x=y")
    assert name == "2: HEAD,A=1,B=x=y"
    assert environment == {"A": "1", "B": "x=y"}
    folder = serving_commits.unpacked(commit, tmp_path / "tree")
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*")] == [
        "serving",
        "serving/server.py",
    ]


def test_what_is_no_commit_of_the_server_is_told(repository, tmp_path):
    with pytest.raises(SystemExit, match=r"^'no-such-commit' is no commit: "):
        serving_commits.contestant(0, "no-such-commit")
    with pytest.raises(SystemExit, match=r"^'A': expected NAME=VALUE after HEAD$"):
        serving_commits.contestant(0, "HEAD,A")
    with pytest.raises(SystemExit, match=r"^HEAD\^ has no server: "):
        serving_commits.unpacked("HEAD^", tmp_path / "none")


def test_commits_are_held_against_the_first():
    rows = [{"by": name, "rows_per_second": rate} for name, rate in (("a", 400.0), ("b", 500.0))]
    assert [row["ratio"] for row in serving_commits.compared(rows)] == [1.0, 1.25]


def test_loads_are_checked():
    case = ("cdd_classifier", "serving_default")
    assert serving_commits.load_of("cdd_classifier:1:8") == (case, (1, 8))
    for text in ("cdd_classifier", "cdd_classifier:x:1", "cdd_classifier:1:0"):
        with pytest.raises(ArgumentTypeError, match="expected MODEL:ROWS:CLIENTS"):
            serving_commits.load_of(text)
    with pytest.raises(ArgumentTypeError, match="'other' is none of cdd_classifier, cdd_gen"):
        serving_commits.load_of("other:1:1")


class Scripted:
    """A worker whose answers are given: rows a second."""

    def __init__(self, *rates):
        figures = ({"rows_per_second": rate, "latency_ms": {"p50": 1000 / rate}} for rate in rates)
        self.stdin, self.stdout = io.StringIO(), io.StringIO("\n".join(map(json.dumps, figures)))


def test_a_figure_is_the_median_of_the_turns_after_the_first():
    workers = {"a": Scripted(1, 50, 20, 40), "b": Scripted(900, 10, 10, 30)}
    first, second = serving_contest.in_turns(workers, ("m", "s"), (32, 8), turns=3, seconds=2.0)
    assert (first["by"], first["model"], first["rows"], first["concurrency"]) == ("a", "m", 32, 8)
    assert first["rows_per_second of the turns"] == [50, 20, 40]
    assert (first["rows_per_second"], first["latency_ms"]) == (40, {"p50": 25})
    assert second["rows_per_second"] == 10
    assert workers["a"].stdin.getvalue() == "2.0 m:s:32:8\n" * 4


def test_a_turn_with_errors_is_no_figure():
    failing = Scripted()
    failing.stdout = io.StringIO('{"errors": {"UNAVAILABLE": 3}, "latency_ms": null}\n' * 2)
    with pytest.raises(SystemExit, match="UNAVAILABLE"):
        serving_contest.in_turns({"a": failing}, ("m", "s"), (1, 1), turns=1, seconds=1.0)
