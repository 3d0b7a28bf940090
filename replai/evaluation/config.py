"""Everything a probe run is made of: one YAML file fills this."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from replai.core.seeding import check_seed
from replai.models import EncodersConfig
from replai.stream.crops import CropConfig
from replai.stream.loader import StreamConfig
from replai.stream.quarantine import BadSampleConfig


class Method(Enum):
    """What is fitted on frozen features."""

    sgd = "sgd"
    """The paper's: linear heads, trained together by SGD on the mean of their cross-entropies."""
    logistic = "logistic"
    """Multinomial logistic regression, a head by itself."""
    svm = "svm"
    """One-vs-all linear SVM with squared hinge loss, a head by itself (AVID's for sounds)."""


class Average(Enum):
    """What is averaged over the views of one action or sound."""

    predictions = "predictions"
    """Each view is an example by itself; softmax (of an SVM: decision values) is averaged. AVID's.
    """
    features = "features"
    """The features are averaged, and then classified."""


class Over(Enum):
    """What an interval resamples: what of the test set could as well have been something else."""

    video = "video"
    """Whole videos: actions of one share room, light and person, so they are no independent draws,
    and an interval over single actions would be too narrow."""
    participant = "participant"
    """All videos of a person: the part of a video's id before the first `_`, as EPIC-Kitchens
    has it. Says what to expect of people who are not in the test set."""
    action = "action"
    """Single actions, as if they were independent."""


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """The linear heads of `sgd`. Defaults are the paper's protocol for EPIC-Kitchens-100."""

    learning_rate: float = 0.005
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 128
    num_epochs: int = 30
    drop_at: tuple[float, ...] = (0.6, 0.8)
    """The rate falls to a tenth after these shares of the epochs (18 and 24 of 30)."""

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.batch_size < 1 or self.num_epochs < 1:
            raise ValueError(
                f"learning_rate {self.learning_rate}, batch_size {self.batch_size} and "
                f"num_epochs {self.num_epochs} must be positive"
            )
        if not (self.momentum >= 0 and self.weight_decay >= 0):
            raise ValueError(
                f"momentum {self.momentum} and weight_decay {self.weight_decay} must not be "
                "negative"
            )
        if not all(0 < share < 1 for share in self.drop_at):
            raise ValueError(
                f"drop_at is {list(self.drop_at)}; give shares of the epochs, between 0 and 1"
            )


@dataclass(frozen=True, kw_only=True)
class PenaltyConfig:
    """How `logistic` and `svm` are regularised. The test split has no part in it."""

    strengths: list[float] = field(default_factory=lambda: [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0])
    """Inverse strengths C to choose from, ascending. One alone is taken as it is."""
    held_out: float = 0.2
    """Share of the training split's videos (recordings) on which C is chosen; the classifier is
    then fitted on all of the training split."""
    max_iterations: int = 1000

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) <= 0:
            raise ValueError(f"strengths is {list(self.strengths)}; give positive numbers")
        if list(self.strengths) != sorted(set(self.strengths)):
            raise ValueError(f"strengths is {list(self.strengths)}; it must ascend")
        if not 0 < self.held_out < 1 or self.max_iterations < 1:
            raise ValueError(
                f"held_out {self.held_out} must be in (0, 1), max_iterations "
                f"{self.max_iterations} at least 1"
            )


@dataclass(frozen=True, kw_only=True)
class IntervalConfig:
    """Percentile bootstrap of the test set."""

    over: Over = Over.video
    """video, participant or action. Of sounds always the recordings that they were cut from."""
    confidence: float = 0.95
    num_resamples: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1 or self.num_resamples < 1:
            raise ValueError(
                f"confidence {self.confidence} must be in (0, 1), num_resamples "
                f"{self.num_resamples} at least 1"
            )


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """From features to figures."""

    average: Average = Average.predictions
    linear: LinearConfig = field(default_factory=LinearConfig)
    logistic: PenaltyConfig = field(default_factory=PenaltyConfig)
    svm: PenaltyConfig = field(default_factory=PenaltyConfig)
    interval: IntervalConfig = field(default_factory=IntervalConfig)


@dataclass(frozen=True, kw_only=True)
class ClipsConfig:
    """Which clips of an action are encoded, and how they are read.

    `clips_per_action` clips lie evenly over the action. It is cut into `parts`; view i of it is
    the i-th clip of each part, one after the other: of 6 clips in 2 parts

        action   |──0────1────2──|──3────4────5──|
        views      0 and 3, 1 and 4, 2 and 5
    """

    clips_per_action: int = 2
    """In AVID 10."""
    parts: int = 2
    """More than one lets a linear classifier see a change; in AVID a view is one clip, so 1."""
    clip_seconds: float = 0.5
    num_frames: int = 8
    crop: CropConfig = field(default_factory=CropConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    batch_size: int = 32
    """Actions in one pass of the encoder, on each rank."""

    def __post_init__(self) -> None:
        for name in ("clips_per_action", "parts", "num_frames", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.clip_seconds > 0:
            raise ValueError(f"clip_seconds is {self.clip_seconds}; it must be positive")
        if self.clips_per_action % self.parts:
            raise ValueError(
                f"clips_per_action {self.clips_per_action} is not divisible by parts {self.parts}"
            )


@dataclass(frozen=True, kw_only=True)
class SoundsConfig:
    """The audio encoder on ESC-50. Defaults are AVID's protocol."""

    folder: str = ""
    """URL of the folder that holds `meta/esc50.csv` and `audio/`. Empty: no sounds are probed."""
    classifier: Method = Method.svm
    clips: int = 10
    """Evenly over each sound, the first at its start, the last at its end; each is a view."""
    clip_seconds: float = 2.0
    batch_size: int = 16
    """Sounds in one pass of the encoder, on each rank."""
    num_threads: int = 4
    """That read and decode, on each rank."""
    bad_samples: BadSampleConfig = field(default_factory=BadSampleConfig)

    def __post_init__(self) -> None:
        for name in ("clips", "batch_size", "num_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.clip_seconds > 0:
            raise ValueError(f"clip_seconds is {self.clip_seconds}; it must be positive")


@dataclass(frozen=True, kw_only=True)
class ProbeConfig(ClipsConfig, ScoringConfig):
    """A probe run: frozen encoders of a checkpoint, video on labelled actions, audio on sounds."""

    checkpoint: str = "???"
    """URL of a checkpoint of train.py, or of one that was released with AVID or RepLAI."""
    encoders: EncodersConfig = field(default_factory=EncodersConfig)
    """Form of released encoders; a checkpoint of train.py says its own."""
    train_root: str = ""
    """Dataset root with labelled actions to train the heads on. Empty: no actions are probed."""
    test_root: str = ""
    """Dataset root of other videos to test them on."""
    train_annotations: str = ""
    """Annotation file whose labels count in place of those in the shards of `train_root`."""
    test_annotations: str = ""
    """The same for `test_root`, which may then be the same root."""
    out: str = "???"
    """Folder, or URL of one, for probe.yaml (this config), probe.json and pictures, and if it is
    local quarantine.jsonl, should samples be bad."""
    seed: int = 0
    """Of heads, held-out videos and resamples, and of the random encoder beside the trained one."""
    classifiers: list[Method] = field(default_factory=lambda: [Method.sgd])
    """Of actions; each is fitted on the same features."""
    sounds: SoundsConfig = field(default_factory=SoundsConfig)
    cpu_threads: int = 2
    rank_timeout_seconds: float = 600.0
    """How long a rank of torchrun waits for the others before it ends."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cpu_threads < 1:
            raise ValueError(f"cpu_threads is {self.cpu_threads}; it must be at least 1")
        if not 0 < self.rank_timeout_seconds <= 1e7:
            raise ValueError(
                f"rank_timeout_seconds is {self.rank_timeout_seconds}; it must be in (0, 1e7]"
            )
        check_seed(self.seed)
        if not self.out:
            raise ValueError("out is empty; it must be a folder, or the URL of one")
        if not self.classifiers or len(set(self.classifiers)) < len(self.classifiers):
            raise ValueError("classifiers: give each of sgd, logistic and svm at most once")
        if bool(self.train_root) != bool(self.test_root):
            raise ValueError("give train_root and test_root, or neither of them")
        if not (self.train_root or self.sounds.folder):
            raise ValueError("give train_root and test_root (actions), sounds.folder, or all three")
