"""A search's trials as KerasTuner runs them: handed out, recorded, failed, taken over."""

import dataclasses
import shutil
import time
from contextlib import nullcontext

import keras_tuner as kt
import tensorflow as tf

from cdd_keras.checkpoints import DamagedError
from cdd_keras.files import write_json
from cdd_keras.finite import NotFiniteError
from cdd_keras.runs import prepare_run
from cdd_keras.search import records
from cdd_keras.search.alarms import DivergedError
from cdd_keras.search.client import ChiefClient, FinishedError
from cdd_keras.search.cluster import WORKER
from cdd_keras.search.memory import forgotten
from cdd_keras.search.owner import Claim, TakenError
from cdd_keras.search.records import COMPLETED, FAILED, Record
from cdd_keras.search.results import short
from cdd_keras.search.rungs import earlier_of, last_step, promote, seconds_trained


class TrialTuner(kt.engine.base_tuner.BaseTuner):
    """Runs the trials that an oracle asks for, each in a run folder of its own.

    Args:
        oracle: one of `oracles`, with the whole space.
        plan: the `Plan`.
        experiment: the `Experiment`, or None for a chief, which trains nothing.
        place: the process's `Place` in the search.
        say: called with a line for the person watching as a trial begins, and in a worker ends.
    """

    def __init__(self, oracle, plan, experiment, place, say):
        self.plan = plan
        self.say = say
        folder = self.plan.folder.oracle
        super().__init__(oracle, experiment, directory=str(folder.parent), project_name=folder.name)
        self._beating = nullcontext
        if place.role == WORKER:
            # In the place of KerasTuner's own.
            self.oracle = ChiefClient(oracle, place, plan.is_finished, say)
            self._beating = self.oracle.beating

    def _populate_initial_space(self):
        """KerasTuner's hook: nothing to find out, the oracle was made with the space."""

    def _get_tuner_fname(self):
        """One name for all: a search begun alone may go on with a chief, and the reverse."""
        return str(self.plan.folder.oracle / "tuner.json")

    def reload(self):
        """The tuner has no state, and a worker's oracle is its chief's, which writes meanwhile."""
        if not self._is_worker():
            self.oracle.reload()

    def save(self):
        """The oracle saves itself, and the tuner has no state; KerasTuner wants a file of it."""
        write_json(self._get_tuner_fname(), self.get_state())

    def pre_create_trial(self):
        """A worker's request that is answered "not now" would be sent again at once.

        Raises:
            FinishedError: there is no chief to ask any more.
            UsageError: the folder is another search's by now.
        """
        if self._is_worker():
            time.sleep(0.2)
            if self.plan.is_finished():
                raise FinishedError
            # It may have been overwritten by another.
            self.plan.check_same()

    def run_trial(self, trial):
        """Trains and measures; the outcome, a failure too, is kept in the trial's folder.

        Raises:
            kt.errors.FailedTrialError: the trial failed; the search goes on. Other errors are
                not the trial's fault.
            TakenError: the trial is another process's by now.
        """
        done = records.read(self.plan.folder, trial.trial_id)
        if done is None:
            done = self._run(trial)
        if self._is_worker():
            self.say(f"trial {trial.trial_id}: {done.reason or short(done.objective)}")
        if done.state == FAILED:
            raise kt.errors.FailedTrialError(done.reason)
        return {str(self.plan.objective): done.objective}

    def _run(self, trial):
        before = seconds_trained(self.plan.folder, trial.trial_id, trial.hyperparameters.values)
        began = time.monotonic()
        with self._beating(trial.trial_id), forgotten():
            folder, claim = self._take(trial)
            self._tell_begin(trial, folder)
            try:
                done = self._attempt(trial, folder, claim)
            except DamagedError:
                claim.check()
                # It begins anew, or from its rung.
                shutil.rmtree(folder.path)
                folder, claim = self._take(trial)
                done = self._attempt(trial, folder, claim)
            except OSError:
                # Whoever took the trial over clears away what is half written.
                claim.check()
                raise
        claim.check()
        done = dataclasses.replace(
            done,
            seconds=before + time.monotonic() - began,
            earlier=earlier_of(trial.hyperparameters.values),
        )
        records.write(self.plan.folder, done)
        return done

    def _take(self, trial):
        """The trial's run folder, with the rung before it if there is one, and a claim on it."""
        hp = trial.hyperparameters
        folder = self.plan.folder.trial(trial.trial_id)
        if folder.path.exists() and not folder.config.is_file():
            # A kill came while it was made.
            shutil.rmtree(folder.path)
        if earlier := earlier_of(hp.values):
            promote(self.plan.folder.trial(earlier), folder)
        config = self.hypermodel.config(hp).replace(output=str(folder.path))
        folder = prepare_run(config, resume=True, overwrite=False)
        return folder, Claim(folder.path, self.tuner_id)

    def _tell_begin(self, trial, folder):
        step = last_step(folder)
        values = self.plan.space.settle(trial.hyperparameters.values)
        settings = " ".join(f"{name}={short(value)}" for name, value in values.items())
        begins = f"goes on from step {step}" if step else "begins"
        self.say(f"trial {trial.trial_id} {begins}: {settings}")

    def _attempt(self, trial, folder, claim):
        """The record of a trial's training."""
        values = self.plan.space.settle(trial.hyperparameters.values)
        try:
            return self._train(trial, values, folder, claim)
        except (DivergedError, NotFiniteError) as error:
            reason = str(error)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            first = next(iter(str(error).splitlines()), "")
            reason = f"out of memory: {first}".removesuffix(": ")
        return records.failed(self.plan.folder, trial.trial_id, values, reason)

    def _train(self, trial, values, folder, claim):
        hp = trial.hyperparameters
        model = self.hypermodel.build(hp)
        figures = self.hypermodel.fit(hp, model, folder, claim, hp.values.get("tuner/epochs"))
        # Not the model's step: it may have the pick's weights by now.
        steps = folder.read_rows()[-1]["step"]
        return Record(
            trial.trial_id,
            COMPLETED,
            values,
            figures[str(self.plan.objective)],
            pick=figures.pop("step"),
            figures=figures,
            steps=steps,
            whole=steps >= model.config.steps,
        )

    def _try_run_and_update_trial(self, trial):
        """KerasTuner's, but an error that is not the trial's fault ends the search."""
        try:
            self.oracle.update_trial(trial.trial_id, self.run_trial(trial))
            trial.status = kt.engine.trial.TrialStatus.COMPLETED
        except kt.errors.FailedTrialError as error:
            trial.status = kt.engine.trial.TrialStatus.FAILED
            trial.message = str(error)
        except TakenError:
            # A worker that was given up asks for another; one process alone has a rival.
            if not self._is_worker():
                raise

    def on_trial_end(self, trial):
        """KerasTuner's; a trial that was taken over is not this process's to end."""
        if trial.status != kt.engine.trial.TrialStatus.RUNNING:
            super().on_trial_end(trial)
