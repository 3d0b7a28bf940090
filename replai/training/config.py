"""Everything a training run is made of: one YAML file fills this."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from replai.core import storage
from replai.core.mixture import WeightedRoot
from replai.core.seeding import check_seed
from replai.models import EncodersConfig
from replai.models.jitter import JitterConfig
from replai.objectives import OBJECTIVES, ObjectiveConfig
from replai.stream.crops import CropConfig
from replai.stream.loader import StreamConfig
from replai.stream.sampling import SamplingConfig
from replai.training.compute import ComputeConfig
from replai.training.initial import InitConfig
from replai.training.optim import OptimConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The dataset and how it is sampled."""

    root: str = ""
    """URL of the dataset root that `sharder pack` made."""
    mix: list[WeightedRoot] = field(default_factory=list)
    """Several datasets in one stream, in place of `root`: each {root: URL, weight: share}."""
    validation_root: str = ""
    """Dataset of held-out videos, on which the objective's metrics are logged. Empty: none."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    crop: CropConfig = field(default_factory=CropConfig)
    jitter: JitterConfig = field(default_factory=JitterConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)

    @property
    def roots(self) -> list[WeightedRoot]:
        """The dataset or datasets to train on."""
        return self.mix or [WeightedRoot(root=self.root)]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A training run. A config file gives what differs from the paper's defaults here."""

    out: str = "???"
    """Folder of the run, a path: checkpoints, metrics.jsonl, TensorBoard files, resolved config."""
    seed: int = 0
    batch_size: int = 128
    """Moments in the global batch."""
    num_epochs: int = 100
    max_steps: int = 0
    """Ends the run after as many steps, unless the epochs end before; 0: after the epochs."""
    data: DataConfig = field(default_factory=DataConfig)
    encoders: EncodersConfig = field(default_factory=EncodersConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    init: InitConfig = field(default_factory=InitConfig)
    log_every_steps: int = 10
    checkpoint_every_steps: int = 500
    """A checkpoint is also written at the end of the run and after Ctrl-C or SIGTERM."""
    validate_every_epochs: int = 1
    record_samples: bool = False
    """Write the samples of every step to samples-rankN.jsonl: what was consumed, and when."""
    rank_timeout_seconds: float = 600.0
    """How long a rank waits for the others before it ends; a rank that died is noticed at once."""
    cpu_threads: int = 1
    """Threads of torch in each rank where there is no GPU."""

    @property
    def folder(self) -> Path:
        """`out` as all of the run's files are below it: `~` is home."""
        return storage.local_path(self.out)

    def __post_init__(self) -> None:
        # Here, as OmegaConf also makes a DataConfig of defaults alone, which names no dataset.
        if bool(self.data.root) == bool(self.data.mix):
            raise ValueError("give either data.root, the URL of a dataset, or data.mix, several")
        for name in (
            "batch_size", "num_epochs", "log_every_steps", "checkpoint_every_steps",
            "validate_every_epochs", "cpu_threads",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.max_steps < 0:
            raise ValueError(f"max_steps is {self.max_steps}; it must not be negative")
        if not 0 < self.rank_timeout_seconds <= 1e7:
            raise ValueError(
                f"rank_timeout_seconds is {self.rank_timeout_seconds}; it must be in (0, 1e7]"
            )
        if not self.out:
            raise ValueError("out is empty; it must be the run's folder")
        if "://" in self.out or "::" in self.out or self.out.startswith("pipe:"):
            raise ValueError(f"out is {self.out}; a run's folder is a path, not a URL")
        check_seed(self.seed)
        seconds, log_mel = self.objective.audio_seconds, self.encoders.log_mel
        num_samples = round(seconds * log_mel.sample_rate_hz)
        if num_samples < log_mel.n_fft:
            raise ValueError(
                f"objective.audio_seconds is {seconds}: {num_samples} samples, fewer than one "
                f"window of the spectrogram, {log_mel.n_fft}"
            )
        if self.objective.name not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise ValueError(f"objective.name is {self.objective.name!r}, not one of {known}")
