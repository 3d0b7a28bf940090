"""The training loop. It names no objective and no dataset: the config does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from replai.checkpoint import load_checkpoint, save_checkpoint
from replai.core import storage
from replai.core.config import config_dict, config_yaml
from replai.core.errors import PeerLostError, UserError
from replai.core.store_errors import naming_store_errors
from replai.objectives import ObjectiveOutput
from replai.stream.collate import AVBatch
from replai.stream.figures import Figures, verdict
from replai.stream.plan import StreamState
from replai.training.compute import refuse_single_moments, refuse_uneven_parts
from replai.training.config import RunConfig
from replai.training.examples import write_moments, write_row
from replai.training.feed import Feed, Placed, jittered_views
from replai.training.initial import initialise
from replai.training.learner import Learner
from replai.training.metrics import MetricsLog, Pace, progress_line
from replai.training.optim import learning_rate
from replai.training.ranks import Ranks
from replai.training.resume import refuse_other_config
from replai.training.signals import StopSignal
from replai.training.stepper import Stepper
from replai.training.streams import HeldOutStreams, training_stream
from replai.training.validation import held_out
from replai.weights import own_tensors, refuse_other_version

CHECKPOINT_NAME = "checkpoint.pt"
CONFIG_NAME = "config.yaml"
NOT_ON_SCREEN = {"gradient_norm", "learning_rate"}


class Trainer:
    """One rank of one run, from its config to its last checkpoint."""

    def __init__(self, config: RunConfig, ranks: Ranks) -> None:
        """Opens the data and builds the model; continues from the run's checkpoint, if any."""
        self.config, self.ranks = config, ranks
        if ranks.device.type == "cpu":
            torch.set_num_threads(config.cpu_threads)
        refuse_uneven_parts(config.compute, config.batch_size, ranks.world_size)
        refuse_single_moments(config.encoders, config.compute, config.batch_size, ranks)
        self.learner = Learner(config.encoders, config.objective, config.seed)
        views = self.learner.objective.views
        self.stream = training_stream(config, views, ranks)
        if ranks.is_first and self.stream.reads:
            print(self.stream.reads, flush=True)
        self.learner.objective.prepare(self.stream.num_items, config.seed)
        self.held_out: HeldOutStreams | None = None
        if config.data.validation_root:
            self.held_out = HeldOutStreams(config, views, ranks)
        steps = self.stream.batches_per_epoch * config.num_epochs
        self.num_steps = min(steps, config.max_steps or steps)
        saved = self._saved()
        if saved is None:
            self._initialise()
        self.stepper = Stepper(self.learner, config.compute, config.optim, ranks, self.num_steps)
        if saved is not None:
            self._continue(saved)
        self._refuse_parted_ranks()
        self.feed = Feed(ranks.device)
        self.stop = StopSignal()
        self.log: MetricsLog | None = None
        self.pace = Pace()
        self.figures = Figures()

    @property
    def step(self) -> int:
        """Steps made so far."""
        return self.stepper.step

    @property
    def _checkpoint_path(self) -> Path:
        return self.config.folder / CHECKPOINT_NAME

    def train(self) -> None:
        """Trains to the last step, or to a signal to stop; writes a checkpoint then.

        Raises KeyboardInterrupt where this rank was told to stop before the last step, and
        PeerLostError where another one was: its node goes, ours may start again without it.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.stop.listening())
            self.log = stack.enter_context(self._opened_log()) if self.ranks.is_first else None
            self.pace = Pace()
            with self._saved_where_data_breaks_off():
                if self._owes_validation():
                    self._report_validation()
                self._make_steps()
            self.save()
            self._say_verdict()
        if self.step < self.num_steps:
            if self.stop.is_set:
                raise KeyboardInterrupt
            raise PeerLostError("another rank was told to stop; the same command goes on from here")

    def _make_steps(self) -> None:
        for placed in self.feed(self._batches()):
            output, norm = self.train_step(placed)
            self.pace.count(self.config.batch_size)
            if self.config.record_samples:
                self._record_samples(placed.batch)
            if self._due(self.config.log_every_steps):
                self._report(output, norm, placed.batch.epoch)
            looks = self._validates()
            if looks or self._due(self.config.checkpoint_every_steps):
                self.save()  # before a look: it may take longer than a scheduler waits
            if looks:
                self._report_validation()
            if self._told_to_stop():
                return

    @contextlib.contextmanager
    def _saved_where_data_breaks_off(self) -> Iterator[None]:
        """Saves the steps made so far where a stream breaks off, of training or of held-out data.

        Both do so between two steps; a peer that is lost within one is another kind of error.
        """
        first_step = self.step
        try:
            yield
        except (UserError, PeerLostError):
            if self.step > first_step:
                self.save()
            raise

    def _batches(self) -> Iterator[AVBatch]:
        """The stream's batches up to the run's last step."""
        for batch in self.stream if self.step < self.num_steps else ():
            yield batch
            if self.step == self.num_steps:
                return

    def train_step(self, placed: Placed) -> tuple[ObjectiveOutput, Tensor]:
        """One step on one batch; returns the loss and the norm of the gradient, on the device."""
        views = jittered_views(placed, self.config.data.jitter, self.config.seed)
        return self.stepper(views, placed.rows)

    def validate(self, epoch: int = 0) -> dict[str, float]:
        """Means over the held-out moments of the objective's terms and metrics (`held_out/…`).

        The first rank writes what is found of the first moments beside them, for the report page.
        """
        assert self.held_out, "asked for where there is held-out data"
        found = held_out(self.stepper, Feed(self.ranks.device)(self.held_out()))
        if self.ranks.is_first:
            directory = self.config.folder
            with naming_store_errors(self.config.out):
                write_moments(directory, found.first, self.learner.encoders)
                write_row(directory, self.step, epoch + 1, found.moments)
        return {f"held_out/{k}": value for k, value in self.ranks.mean(found.means).items()}

    def save(self) -> None:
        """Writes the checkpoint (first rank), after a look that nothing in it is broken."""
        self._refuse_nonfinite()
        if not self.ranks.is_first:
            return
        with self.stepper.saved() as state:
            state |= {"stream": self.stream.state.to_dict(), "config": config_dict(self.config)}
            save_checkpoint(str(self._checkpoint_path), state)

    def _initialise(self) -> None:
        """Loads the first weights on the first rank; the others have them from it, by DDP."""
        if self.ranks.is_first and (report := initialise(self.learner, self.config.init)):
            print(report, flush=True)

    def _saved(self) -> dict[str, Any] | None:
        """The run's checkpoint, if there is one."""
        path = self._checkpoint_path
        if not path.exists():
            return None
        state = load_checkpoint(str(path))
        refuse_other_config(state["config"], config_dict(self.config), path)
        return state

    def _continue(self, saved: dict[str, Any]) -> None:
        path = self._checkpoint_path
        self.stream.load_state(StreamState.from_dict(saved["stream"]))
        refuse_other_version(self.learner.state_dict(), own_tensors(saved), str(path))
        self.stepper.load(saved)
        if self.ranks.is_first:
            named = f"{self.config.out}/{CHECKPOINT_NAME}"
            print(f"continuing from {named} at step {self.step}/{self.num_steps}", flush=True)

    def _refuse_parted_ranks(self) -> None:
        """Ranks that begin elsewhere, or in other data, would repeat samples and miss others."""
        state, held_out = self.stream.state, self.held_out.dataset_hash if self.held_out else ""
        if not self.ranks.agree(f"{state} {self.num_steps} {held_out}"):
            watched = f", watched on the dataset {held_out[:12]}" if held_out else ""
            raise UserError(
                f"rank {self.ranks.rank} begins at step {self.step} of {self.num_steps}, in the "
                f"dataset {state.dataset_hash[:12]}{watched}, another rank elsewhere; data and out "
                "must be the same on all nodes"
            )

    def _record_samples(self, batch: AVBatch) -> None:
        row = {"step": self.step, "positions": batch.positions.tolist(), "keys": batch.keys}
        path = self.config.folder / f"samples-rank{self.ranks.rank}.jsonl"
        with naming_store_errors(self.config.out), path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _opened_log(self) -> MetricsLog:
        directory = self.config.folder
        with naming_store_errors(self.config.out):
            for left in directory.glob(f".{CHECKPOINT_NAME}.*.tmp"):  # by one that was killed
                left.unlink(missing_ok=True)
            log = MetricsLog(directory, self.step)
            config = config_yaml(self.config).encode()
            storage.write_local_atomically(directory / CONFIG_NAME, config)
        return log

    def _report(self, output: ObjectiveOutput, norm: Tensor, epoch: int) -> None:
        """One row of metrics and one line on screen; the only place where a step waits for them."""
        self._refuse_nonfinite()
        elapsed, pace = self.pace.since_last(self.feed.idle_seconds())
        values = {"loss": output.total, **output.terms, **output.metrics, "gradient_norm": norm}
        means = self.ranks.mean({**values, "wait_share": torch.tensor(pace["wait_share"])})
        if self.log is None:
            return
        rate = learning_rate(self.step - 1, self.num_steps, self.config.optim)
        figures = self.stream.take_figures()
        self.figures += figures
        row = {"epoch": epoch, "learning_rate": rate, **means}
        row["moments_per_second"] = pace["moments_per_second"]
        epochs = {f"epochs/{root}": n for root, n in self.stream.own_epochs().items()}
        self._log(self.log, {**row, **figures.named(elapsed), **epochs})
        seconds_left = (
            (self.num_steps - self.step) * self.config.batch_size / row["moments_per_second"]
        )
        shown = {name: value for name, value in row.items() if name not in NOT_ON_SCREEN}
        print(progress_line(self.step, self.num_steps, seconds_left, shown), flush=True)

    def _say_verdict(self) -> None:
        figures = self.figures + self.stream.take_figures()
        if self.log is None or not figures.samples:
            return
        elapsed, workers = self.pace.running_seconds(), self.config.data.stream.num_workers
        print(verdict(figures, elapsed, self.feed.idle_seconds(), workers), flush=True)
        if self.stream.quarantine.count:
            print(
                f"{self.stream.quarantine.count} bad samples of rank 0 had spares; they are named "
                f"in {self.config.out}/quarantine-rank0.jsonl",
                flush=True,
            )

    def _log(self, log: MetricsLog, row: dict[str, float]) -> None:
        with naming_store_errors(self.config.out):
            log.write(self.step, row)

    def _report_validation(self) -> None:
        epoch = self._epoch_of_last_step()
        with self.pace.paused():
            values = self.validate(epoch)
        if self.log is not None:
            self._log(self.log, values)
            named = "  ".join(f"{name[9:]} {value:.4g}" for name, value in values.items())
            when = f"epoch {epoch + 1}" if self._epoch_ended() else f"step {self.step}"
            print(f"held out, after {when}: {named}", flush=True)

    def _refuse_nonfinite(self) -> None:
        if not self.stepper.is_finite():
            raise UserError(
                f"the gradient was not finite in the steps before step {self.step}; the last "
                f"checkpoint in {self.config.out} is from before; lower optim.learning_rate or "
                "set optim.clip_norm"
            )

    def _due(self, every_steps: int) -> bool:
        return self.step % every_steps == 0

    def _validates(self) -> bool:
        """After every so many epochs, and after the last step, wherever in an epoch that is."""
        if not self.held_out:
            return False
        due = (self._epoch_of_last_step() + 1) % self.config.validate_every_epochs == 0
        return (due and self._epoch_ended()) or self.step == self.num_steps

    def _owes_validation(self) -> bool:
        """Whether the look after the last step made was broken off, and the run ended in it."""
        if not self.step or not self._validates():
            return False
        has_looked = self.log is not None and self.log.holds(self.step, "held_out/")
        told = torch.tensor(float(has_looked))
        return self.ranks.mean({"told": told})["told"] == 0

    def _epoch_of_last_step(self) -> int:
        return (self.step - 1) // self.stream.batches_per_epoch

    def _epoch_ended(self) -> bool:
        return self.step % self.stream.batches_per_epoch == 0

    def _told_to_stop(self) -> bool:
        """Whether any rank was told to stop; all ranks stop after the same step.

        Several ranks ask each other at logged steps only, where they wait for each other anyway.
        """
        if self.ranks.world_size == 1:
            return self.stop.is_set
        if not self._due(self.config.log_every_steps):
            return False
        told = torch.tensor(float(self.stop.is_set))
        return self.ranks.mean({"told": told})["told"] > 0
