"""AVID: audio-visual instance discrimination (Morgado, Vasconcelos, Misra, CVPR 2021).

A clip and the sound of one item should each find that item among all others, in memories of them.
With v, a the heads' embeddings, m^v, m^a the memories (`replai.objectives.memory`), all of unit
length, and NCE(x, m) the loss of `replai.objectives.nce`, scores x·m / τ,

     Cross   NCE(v, m^a) + NCE(a, m^v)        term `avid_cross`
     Self    NCE(v, m^v) + NCE(a, m^a)        term `avid_self`
     Joint   the mean of both                 weights 1 and 1; always divided by their sum

After the loss m = normalize(0.5 m + 0.5 e), for the samples of all ranks. Negatives are K other
items for each row, the same ones for all its scores. Z is estimated for each direction from the
first batch of the run, on all ranks, then frozen; it is saved with the memories.

An item is what the stream visits: a stored segment of an untrimmed video, of about 10 s.

Deviations. The paper's items are whole trimmed videos. It moves the sound by up to ±0.5 s; here
clip and sound are both centred on t. Its clips are 224 pixels wide; here the run's crop decides.
Its Adam has weight decay in the gradient, AdamW beside it. Where a batch holds several moments of
one item, the memory takes their mean. Held-out rows are in no memory: of them only the retrieval
is told, and their loss is 0. CMA, the paper's second stage, is not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from replai.core.errors import UserError
from replai.models import Encoders
from replai.objectives.base import Objective, ObjectiveOutput, Rows
from replai.objectives.config import ObjectiveConfig
from replai.objectives.cosine import unit
from replai.objectives.gather import gather, own_indices
from replai.objectives.memory import MemoryBank, draw_others, skip_own
from replai.objectives.metrics import recall_at_1
from replai.objectives.moment import projection_head
from replai.objectives.nce import log_mean_exp, nce
from replai.views import AudioView, VideoView

VIDEO, AUDIO = "video", "audio"


@dataclass(frozen=True)
class Contrast:
    """One direction of the loss: embeddings of one modality against memories of one."""

    query: str
    memory: str

    @property
    def term(self) -> str:
        """Name of the term that this direction is part of."""
        return "avid_self" if self.query == self.memory else "avid_cross"


ALL_CONTRASTS = (
    Contrast(VIDEO, AUDIO), Contrast(AUDIO, VIDEO), Contrast(VIDEO, VIDEO), Contrast(AUDIO, AUDIO)
)  # fmt: skip


class AVID(Objective):
    """Terms `avid_cross` and `avid_self`, those with a weight; metric `audio_to_video_recall_at_1`.

    The metric is of this rank's sounds among the clips of the global batch, as AVC's.
    """

    log_partition: Tensor

    def __init__(self, config: ObjectiveConfig, encoders: Encoders) -> None:
        super().__init__()
        self.config = config
        self.sample_rate_hz = encoders.log_mel.config.sample_rate_hz
        dims = {VIDEO: encoders.video.feature_dim, AUDIO: encoders.audio.feature_dim}
        self.heads = nn.ModuleDict(
            {name: projection_head(dim, config, num_hidden_layers=2) for name, dim in dims.items()}
        )
        weights = {"avid_cross": config.avid.cross_weight, "avid_self": config.avid.self_weight}
        self.weights = {
            term: weight / sum(weights.values()) for term, weight in weights.items() if weight
        }
        self.contrasts = [one for one in ALL_CONTRASTS if one.term in self.weights]
        self.num_items, self.seed = 0, 0
        self._partition_is_known = False

    @property
    def views(self) -> tuple[VideoView, AudioView]:
        """A clip and its sound, both centred on t."""
        config = self.config
        return (
            VideoView(
                name=VIDEO,
                start_seconds=-config.clip_seconds / 2,
                duration_seconds=config.clip_seconds,
                num_frames=config.num_frames,
            ),
            AudioView(
                name=AUDIO,
                start_seconds=-config.audio_seconds / 2,
                duration_seconds=config.audio_seconds,
                sample_rate_hz=self.sample_rate_hz,
            ),
        )

    @property
    def released_heads(self) -> dict[str, str]:
        """The heads of AVID's released checkpoints."""
        return {f"heads.{name}": f"{name}_proj.projection" for name in self.heads}

    @property
    def replicated(self) -> tuple[str, ...]:
        """The memories, which every rank updates with the samples of all ranks."""
        return tuple(f"memories.{name}.vectors" for name in self.heads)

    def prepare(self, num_items: int, seed: int) -> None:
        """Makes random memories of `num_items` items. Raises UserError if there is but one."""
        if num_items < 2:
            raise UserError("avid contrasts items with other items; the dataset has only one")
        self.num_items, self.seed = num_items, seed
        dim = self.config.out_dim
        self.memories = nn.ModuleDict(
            {name: MemoryBank(num_items, dim, seed, name) for name in self.heads}
        )
        self.register_buffer("log_partition", torch.full((len(self.contrasts),), torch.nan))

    def forward(
        self, encoders: Encoders, inputs: Mapping[str, Tensor], rows: Rows | None = None
    ) -> ObjectiveOutput:
        """The loss of a batch; then its rows are remembered. Computes in float32 under autocast."""
        video, audio = encoders.encode_video(inputs[VIDEO]), encoders.encode_audio(inputs[AUDIO])
        with torch.autocast(audio.device.type, enabled=False):
            return self.compare({VIDEO: video.float(), AUDIO: audio.float()}, rows)

    def compare(self, features: dict[str, Tensor], rows: Rows | None) -> ObjectiveOutput:
        """The loss of features float [B, D] by modality. Collective: all ranks must call it."""
        embeddings = {name: unit(head(features[name])) for name, head in self.heads.items()}
        everywhere = {name: gather(embedding) for name, embedding in embeddings.items()}
        audio_to_video = embeddings[AUDIO].detach() @ everywhere[VIDEO].T
        recall = recall_at_1(audio_to_video, own_indices(audio_to_video))
        metrics = {"audio_to_video_recall_at_1": recall}
        moments = {"video_to_audio": embeddings[VIDEO].detach() @ everywhere[AUDIO].T}
        if rows is None:
            zero = torch.zeros_like(recall)
            return ObjectiveOutput(total=zero, terms={}, metrics=metrics, moments=moments)
        terms = self._terms(embeddings, rows)
        self._remember(gather(rows.items), everywhere)
        total = torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum()
        terms = {name: term.detach() for name, term in terms.items()}
        return ObjectiveOutput(total=total, terms=terms, metrics=metrics, moments=moments)

    def _terms(self, embeddings: dict[str, Tensor], rows: Rows) -> dict[str, Tensor]:
        drawn = self._negatives(rows)
        own = {name: memory(rows.items) for name, memory in self.memories.items()}
        others = {name: memory(drawn) for name, memory in self.memories.items()}
        queries = {name: x / self.config.avid.temperature for name, x in embeddings.items()}
        own_scores = [(queries[c.query] * own[c.memory]).sum(dim=1) for c in self.contrasts]
        other_scores = [
            torch.einsum("bd,bkd->bk", queries[c.query], others[c.memory]) for c in self.contrasts
        ]
        self._estimate_partition(other_scores)
        terms = dict.fromkeys(self.weights, torch.zeros((), device=drawn.device))
        for number, contrast in enumerate(self.contrasts):
            loss = nce(own_scores[number], other_scores[number], self.log_partition[number])
            terms[contrast.term] = terms[contrast.term] + loss
        return terms

    def _negatives(self, rows: Rows) -> Tensor:
        """int64 [B, K], on the device of the memories."""
        count = self.config.avid.num_negatives
        draws = torch.from_numpy(
            draw_others(
                rows.positions.numpy(), self.num_items, count, seed=self.seed, epoch=rows.epoch
            )
        )
        if rows.items.is_cuda:
            draws = draws.pin_memory()  # else the copy would wait for the device
        return skip_own(draws.to(rows.items.device, non_blocking=True), rows.items)

    @torch.no_grad()
    def _estimate_partition(self, negative_scores: list[Tensor]) -> None:
        """Z from the first batch of all ranks. The host looks once a start whether it is known."""
        if self._partition_is_known:
            return
        if self.log_partition.isnan().any():
            log_means = torch.stack([log_mean_exp(s.flatten()) for s in negative_scores])
            self.log_partition.copy_(log_mean_exp(gather(log_means[None])))
        self._partition_is_known = True

    def _remember(self, items: Tensor, embeddings: dict[str, Tensor]) -> None:
        for name, memory in self.memories.items():
            assert isinstance(memory, MemoryBank)
            memory.update(items, embeddings[name], self.config.avid.memory_momentum)
