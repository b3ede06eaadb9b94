"""Search from its command line: what it leaves and refuses, kills, and several processes."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cdd_keras import cli, tune
from cdd_keras.config import Config
from cdd_keras.runs import RunFolder
from cdd_keras.search import SearchFolder, records
from cdd_keras.search.cluster import CHIEF, WORKER, find_place

# The cheapest method to trace; what is searched is the same for all.
SMALL = [
    *("--attr", "eyeglasses", "--method", "source_only", "--objective", "infomax"),
    *("--tuner", "random", "--steps-per-trial", "2", "--batch-size", "4", "--image-size", "16"),
    *("--channels", "4", "--discriminator-channels", "4", "--code-size", "4"),
    *("--synthetic-count", "60", "--evaluate-every", "0.5", "--precision", "float32"),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDD_KERAS_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def finished(cache, tmp_path_factory):
    """The folder of a whole small search."""
    folder = SearchFolder(tmp_path_factory.mktemp("searches") / "whole")
    assert call(folder, "--max-trials", "3") == 0
    return folder


def call(folder, *arguments):
    return cli.main(tune.run, [*SMALL, "--directory", str(folder.path), *arguments])


def test_a_search_leaves_what_the_docs_say(finished):
    names = {path.name for path in finished.path.iterdir()}
    assert names >= {
        *("search.yaml", "base.yaml", "trials", "results.csv", "best.yaml", "tensorboard"),
        *("parallel-coordinates.png", "importance.json"),
    }
    rows = list(csv.DictReader(finished.results.read_text().splitlines()))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        run = finished.trial(row["trial"])
        assert run.read_config().generator_rate == float(row["generator_rate"])
        assert run.read_config().deterministic


def test_train_repeats_the_winners_number_to_the_last_bit(finished, cache, tmp_path):
    best = records.best(records.read_all(finished))
    command = [sys.executable, "-m", "cdd_keras.train", "--config", str(finished.best)]
    output = RunFolder(tmp_path / "again")
    # A fresh process, as the user's: this one has trained before.
    subprocess.run([*command, "--output", str(output.path)], check=True, capture_output=True)
    rows = {row["step"]: row["label_free"] for row in output.read_rows()}
    assert rows[best.pick]["infomax"] == best.objective
    assert rows[best.pick] == best.figures


def test_trials_do_not_read_target_labels(finished):
    for row in finished.trial("0").read_rows():
        assert row["target"] is None
        assert row["source"]["count"] > 0


def test_a_finished_search_goes_on_with_more_trials(finished, capsys):
    before = [path.read_bytes() for path in sorted(finished.trials.glob("*/trial.json"))]
    assert call(finished, "--resume", "--max-trials", "4") == 0
    after = [path.read_bytes() for path in sorted(finished.trials.glob("*/trial.json"))]
    assert after[:-1] == before
    assert len(after) == 4
    shown = capsys.readouterr()
    assert "importance" in shown.out
    # What was there is in the table too, and each trial tells that it begins.
    ended = re.findall(r"^ +(\d) +[\d.e-]+ ", shown.err, re.MULTILINE)
    assert ended == ["0", "1", "2", "3"]
    assert re.findall(r"^trial (\d) begins: .*classifier_rate=", shown.err, re.MULTILINE) == ["3"]
    assert "Search: Running Trial" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--overwrite"),
        (["--resume", "--seed", "1"], "seed changed"),
        (["--resume", "--tuner", "bayesian"], "tuner changed"),
        (["--resume", "--overwrite"], "exclude each other"),
    ],
)
def test_a_folder_in_use_is_refused_and_untouched(arguments, words, finished, capsys):
    before = finished.results.read_bytes()
    assert call(finished, *arguments) == 2
    assert words in capsys.readouterr().err
    assert finished.results.read_bytes() == before


def test_a_folder_that_is_no_search_is_not_emptied(tmp_path, capsys):
    (tmp_path / "thesis.txt").touch()
    for asked in ("--overwrite", "--resume"):
        assert call(SearchFolder(tmp_path), asked) == 2
        assert "not the folder of a search" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-trials", "0"], "`--max-trials` is '0'"),
        (["--max-trials", "few"], "a whole number of at least 1"),
        (["--steps-per-trial", "0"], "--steps-per-trial"),
        (["--steps", "2"], "--steps and --steps-per-trial are one setting"),
        (["--worker-timeout", "1"], "--worker-timeout"),
        (["--objective", "infomx"], "Did you mean infomax"),
        (["--output", "x"], "--directory"),
        (["--tuner", "grid"], "grid"),
        (["--space", "nowhere.yaml"], "nowhere.yaml"),
        (["--chief", "here"], "HOST:PORT"),
        (["--chief", "a:1", "--worker", "a:1"], "exclude each other"),
        (["--generator-rat", "1"], "Did you mean --generator-rate"),
        (["--method", "oracle"], "trains on target labels"),
        (["--attr", "eyeglases"], "Did you mean eyeglasses"),
    ],
)
def test_wrong_input_ends_with_2_and_one_message(arguments, words, cache, tmp_path, capsys):
    folder = SearchFolder(tmp_path / "search")
    assert call(folder, *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not folder.path.exists()


@pytest.mark.parametrize(
    "asked", [["--resume"], ["--worker", "127.0.0.1:9"], ["--chief", "127.0.0.1:9"]]
)
def test_a_search_that_is_there_needs_its_folder(asked, capsys):
    assert cli.main(tune.run, [*SMALL, *asked]) == 2
    assert "needs --directory" in capsys.readouterr().err


def test_the_configuration_of_a_run_can_be_searched_from(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(Config(attr="eyeglasses", output="runs/before", steps=7).to_yaml())
    plan = tune._plan(tune._parser().parse_args(["--config", str(path)]))
    assert plan.config.output is None
    assert plan.config.steps == 7


def test_a_bad_space_is_told_before_tensorflow_is_loaded(tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text("generator_rate: {min: 1e-2, max: 1e-3}\n")
    code = (
        "import sys\nfrom cdd_keras import cli, tune\n"
        f"code = cli.main(tune.run, ['--attr', 'x', '--space', {str(space)!r}])\n"
        "assert code == 2 and 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "space.yaml: `generator_rate.min` is not below `generator_rate.max`" in done.stderr


def test_oracles_are_marked(cache, tmp_path, capsys):
    folder = SearchFolder(tmp_path / "search")
    oracle = ("--objective", "oracle_target_accuracy", "--max-trials", "1")
    assert call(folder, *oracle) == 0
    assert "ORACLE" in capsys.readouterr().err
    assert "TARGET LABELS" in folder.best.read_text()


def start(folder, cache, *arguments):
    command = [sys.executable, "-m", "cdd_keras.tune", *SMALL, "--directory", str(folder.path)]
    environment = {**os.environ, "CDD_KERAS_CACHE": str(cache)}
    return subprocess.Popen(
        [*command, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def await_trial(folder, process, owner=""):
    """Waits until a trial of a process is in the middle of its steps; gives its name."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read()
        state = folder.oracle / "oracle.json"
        running = json.loads(state.read_text())["ongoing_trials"] if state.exists() else {}
        for tuner, trial in running.items():
            rows = folder.trial(trial).read_rows()
            if tuner.endswith(owner) and rows and records.read(folder, trial) is None:
                return trial
        time.sleep(0.02)
    raise AssertionError("no trial began")


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


# Long enough to be met in the middle.
LONG = ("--steps-per-trial", "100", "--evaluate-every", "0.04", "--max-trials", "2")


def test_a_killed_search_loses_nothing_but_the_steps_since_a_checkpoint(cache, tmp_path, capsys):
    folder = SearchFolder(tmp_path / "search")
    process = start(folder, cache, *LONG)
    trial = await_trial(folder, process)
    kill(process)
    before = folder.trial(trial).read_rows()
    assert 0 < len(before) < 25
    ended = {
        one.trial: records.path_of(folder, one.trial).read_bytes()
        for one in records.read_all(folder)
    }
    assert call(folder, *LONG, "--resume") == 0
    assert re.search(
        rf"^trial {trial} goes on from step \d+: ", capsys.readouterr().err, re.MULTILINE
    )
    known = {one.trial: one for one in records.read_all(folder)}
    assert set(known) == {"0", "1"}
    assert {one.state for one in known.values()} == {"completed"}
    assert known[trial].steps == 100
    # The same seconds: that row was not trained again. The last may lack its checkpoint.
    after = folder.trial(trial).read_rows()
    assert after[: len(before) - 1] == before[:-1]
    assert after[0] == before[0]
    # What was trained before the kill counts, up to its last evaluation, and all of what follows.
    again = after[-1]["seconds"] - after[len(before)]["seconds"]
    assert known[trial].seconds > before[-1]["seconds"] + again
    for name, content in ended.items():
        assert records.path_of(folder, name).read_bytes() == content


def test_a_search_outlives_a_worker(cache, tmp_path):
    folder = SearchFolder(tmp_path / "search")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    long = ("--steps-per-trial", "100", "--evaluate-every", "0.04", "--max-trials", "3")
    chief = start(folder, cache, *long, "--chief", address, "--worker-timeout", "10")
    workers = [start(folder, cache, *long, "--worker", address) for _ in range(2)]
    lost = await_trial(folder, workers[0], f"-{workers[0].pid}")
    kill(workers[0])
    told, _ = chief.communicate(timeout=240)
    assert chief.returncode == 0, told
    left, _ = workers[1].communicate(timeout=60)
    assert workers[1].returncode == 0, left
    assert f"trains for the chief at {address}" in left
    assert re.findall(r"^trial (\d) (?:begins|goes on from step \d+): ", left, re.MULTILINE)
    assert re.findall(r"^trial (\d): [\d.e-]+$", left, re.MULTILINE)
    assert left.endswith("the search has ended\n")
    assert f"gave no sign of life: trial {lost} goes to another worker" in told
    known = records.read_all(folder)
    assert [one.trial for one in known] == ["0", "1", "2"]
    assert {one.state for one in known} == {"completed"}
    assert {one.steps for one in known} == {100}
    assert Config.from_file(folder.best).steps == 100


def test_a_worker_that_comes_when_all_has_ended_goes(finished, cache, capsys):
    state = finished.results.read_bytes()
    address = ("--worker", "127.0.0.1:9")
    finished_plan = finished.path / "finished.json"
    finished_plan.write_text(json.dumps({"max_trials": 4}))
    assert call(finished, *address, "--max-trials", "4") == 0
    assert "has ended" in capsys.readouterr().err
    assert finished.results.read_bytes() == state
    finished_plan.unlink()


def test_a_chief_resumed_when_all_has_ended_says_so_and_ends(cache, tmp_path):
    folder = SearchFolder(tmp_path / "search")
    assert call(folder, "--max-trials", "1") == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    chief = start(folder, cache, "--max-trials", "1", "--resume", "--chief", address)
    told, _ = chief.communicate(timeout=120)
    assert chief.returncode == 0, told
    assert "best:" in told
    assert json.loads(folder.finished.read_text()) == {"max_trials": 1}


@pytest.mark.parametrize("asked", ["--resume", "--overwrite"])
def test_a_chief_that_cannot_listen_leaves_the_search_as_it_was(
    asked, finished, cache, monkeypatch
):
    def content():
        return {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}

    before = content()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        # A process of its own: how much gRPC says is settled once in each.
        monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
        chief = start(finished, cache, asked, "--max-trials", "4", "--chief", address)
        told, _ = chief.communicate(timeout=120)
    assert chief.returncode == 1
    assert told.startswith(f"error: cannot listen on {address}: it is taken")
    assert content() == before


def test_no_trial_left_is_a_failure(cache, tmp_path, capsys, monkeypatch):
    from cdd_keras.search import experiment

    def no_memory(config, pair):
        raise MemoryError

    monkeypatch.setattr(experiment, "build_model", no_memory)
    assert call(SearchFolder(tmp_path / "search"), "--max-trials", "2") == 1
    assert "no trial trained to its end" in capsys.readouterr().err


def test_the_kubernetes_jobs_of_the_docs_are_commands_that_parse():
    text = (Path(__file__).parents[1] / "docs" / "tuning.md").read_text()
    (manifest,) = re.findall(r"```yaml\n(apiVersion.*?)```", text, re.DOTALL)
    service, *jobs = yaml.safe_load_all(manifest)
    roles = []
    for job in jobs:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        command = container["command"]
        assert command[:3] == ["python", "-m", "cdd_keras.tune"]
        parsed = tune._parser().parse_args(command[3:])
        place = find_place(parsed.chief, parsed.worker, {})
        roles.append(place.role)
        assert place.port == service["spec"]["ports"][0]["port"]
        assert parsed.directory == "/shared/search"
        # Paths such as that of --config are a checkout's.
        assert container["workingDir"].endswith("cdd_keras")
        assert (Path(__file__).parents[1] / parsed.config).is_file()
    assert roles == [CHIEF, WORKER]
    assert place.host == service["metadata"]["name"]
