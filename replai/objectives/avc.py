"""AVC: audio-visual correspondence, RepLAI (NeurIPS 2022) Eq. 4.

A clip and the audio of one moment should find each other among all moments of the global batch.
With z_v, z_a the heads' embeddings, sim the cosine and j over the global batch,

     InfoNCE(v_i, a_i) = - log exp(sim(z_v_i, z_a_i)/τ) / Σ_j exp(sim(z_v_i, z_a_j)/τ)
                         - log exp(sim(z_v_i, z_a_i)/τ) / Σ_j exp(sim(z_v_j, z_a_i)/τ)

and the loss is its mean over moments and over the clips before and after. The clips are
contrasted apart: a moment's clip before is no negative of its clip after.

Deviations: the released code takes half of this loss, as the mean of the two directions, and a
further 0.5 as its weight, so a weight of 0.25 here is its scale. It gathers the other ranks'
embeddings without gradient; here the gradient is that of one process (`replai.objectives.gather`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from replai.models import Encoders
from replai.objectives.base import ObjectiveOutput
from replai.objectives.config import ObjectiveConfig
from replai.objectives.cosine import unit
from replai.objectives.gather import gather_with_gradient, own_indices
from replai.objectives.metrics import recall_at_1
from replai.objectives.moment import (
    MomentFeatures,
    MomentObjective,
    projection_head,
)


@dataclass(frozen=True, kw_only=True)
class Correspondence:
    """Cosine similarities of this rank's B clips and B sounds with the N of all ranks."""

    video_to_audio: Tensor
    """float [B, N]: own videos against all sounds."""
    audio_to_video: Tensor
    """float [B, N]: own sounds against all videos."""
    own: Tensor
    """int64 [B]: the column of each row's true counterpart."""

    def info_nce(self, temperature: float) -> Tensor:
        """Scalar: Eq. 4, mean over own rows of the two directions' sum; 2 log N at chance."""
        by_video = functional.cross_entropy(self.video_to_audio / temperature, self.own)
        by_audio = functional.cross_entropy(self.audio_to_video / temperature, self.own)
        return by_video + by_audio


def correspondence(video: Tensor, audio: Tensor) -> Correspondence:
    """Similarities of embeddings video, audio: float [B, D], not normalised, row i a pair.

    Collective: every rank must call it with equally many rows.
    """
    video, audio = unit(video), unit(audio)
    all_video, all_audio = gather_with_gradient(torch.cat((video, audio), dim=1)).chunk(2, dim=1)
    return Correspondence(
        video_to_audio=video @ all_audio.T,
        audio_to_video=audio @ all_video.T,
        own=own_indices(video),
    )


def info_nce(video: Tensor, audio: Tensor, temperature: float) -> Tensor:
    """Scalar: Eq. 4 of embeddings video, audio: float [B, D], not normalised, row i a pair.

    Both directions summed, mean over this rank's rows, negatives from all ranks. The mean over
    ranks is the loss of one process on the whole batch, and so is its gradient under DDP.
    """
    return correspondence(video, audio).info_nce(temperature)


class AVC(MomentObjective):
    """Correspondence standing alone: term `avc`, metric `audio_to_video_recall_at_1`.

    The recall is that of this rank's sounds among the clips of the global batch, mean over the
    clips before and after; chance is 1 / global batch. `moments`: cosine similarities of each
    moment's clips, their mean, with the sounds of the global batch.
    """

    def __init__(self, config: ObjectiveConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.video_head = projection_head(encoders.video.feature_dim, config)
        self.audio_head = projection_head(encoders.audio.feature_dim, config)

    @property
    def released_heads(self) -> dict[str, str]:
        """The heads of RepLAI's released checkpoints."""
        return {
            "video_head": "mlp.video_clr",
            "audio_head": "mlp.audio_clr",
        }

    def compare(self, features: MomentFeatures) -> ObjectiveOutput:
        """Eq. 4 of features, mean over the clips before and after."""
        audio = self.audio_head(features.audio)
        clips = (features.before, features.after)
        pairs = [correspondence(self.video_head(clip), audio) for clip in clips]
        loss = torch.stack([pair.info_nce(self.config.avc_temperature) for pair in pairs]).mean()
        recalls = [recall_at_1(pair.audio_to_video, pair.own) for pair in pairs]
        return ObjectiveOutput(
            total=loss,
            terms={"avc": loss.detach()},
            metrics={"audio_to_video_recall_at_1": torch.stack(recalls).mean()},
            moments={
                "video_to_audio": torch.stack([p.video_to_audio.detach() for p in pairs]).mean(0)
            },
        )
