"""Recomputed parts against the same module run as a whole, with its gradients and statistics."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from replai.models import (
    AudioEncoderConfig,
    Encoders,
    EncodersConfig,
    VideoEncoderConfig,
)
from replai.models.norms import Norm
from replai.models.recompute import still_statistics
from tests.replai.objectives.small import small_batch


def encoders(norm: Norm) -> Encoders:
    torch.manual_seed(0)
    video = VideoEncoderConfig(width=2, blocks=(1, 1, 1, 1), norm=norm)
    return Encoders(EncodersConfig(video=video, audio=AudioEncoderConfig(width=2, norm=norm)))


def gradients(model: Encoders) -> dict[str, Tensor]:
    """Of a sum of squares over the features of four clips and four sounds; and what they move."""
    batch = small_batch(4)
    features = model.encode_video(batch["video"]), model.encode_audio(batch["audio"])
    sum(part.square().sum() for part in features).backward()
    named = {name: value.grad for name, value in model.named_parameters()}
    return {**named, "video": features[0].detach(), "audio": features[1].detach()}


def statistics(model: nn.Module) -> dict[str, Tensor]:
    return {
        key: value
        for key, value in model.state_dict().items()
        if "running" in key or "tracked" in key
    }


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        atol = 1e-6 * max(1.0, float(value.abs().max()))
        torch.testing.assert_close(other[name], value, rtol=1e-4, atol=atol, msg=name)


def test_rows_in_parts_are_the_rows_of_the_whole() -> None:
    whole, parted = encoders("group"), encoders("group")
    parted.num_parts = 2
    assert_close(gradients(whole), gradients(parted))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_recomputed_stages_change_nothing(precision: torch.dtype) -> None:
    kept, recomputed = encoders("batch"), encoders("batch")
    recomputed.video.recomputes_stages = recomputed.audio.recomputes_stages = True
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        assert_close(gradients(kept), gradients(recomputed))
    assert_close(statistics(kept), statistics(recomputed))


def test_statistics_move_once_for_each_part() -> None:
    parted, oracle = encoders("batch"), encoders("batch")
    parted.num_parts, parted.video.recomputes_stages = 2, True
    gradients(parted)
    batch = small_batch(4)
    for first in (0, 2):
        oracle.encode_video(batch["video"][first : first + 2])
        oracle.encode_audio(batch["audio"][first : first + 2])
    assert_close(statistics(oracle), statistics(parted))


def test_fewer_activations_are_kept() -> None:
    def kept_bytes(change: Callable[[Encoders], None]) -> int:
        model, sizes = encoders("group"), []
        change(model)

        def count(tensor: Tensor) -> Tensor:
            sizes.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            model.encode_video(small_batch(4)["video"])
        return sum(sizes)

    plain = kept_bytes(lambda model: None)
    stages = kept_bytes(lambda model: setattr(model.video, "recomputes_stages", True))
    parts = kept_bytes(lambda model: setattr(model, "num_parts", 2))
    assert stages < plain / 2
    assert parts == small_batch(4)["video"].nbytes


def test_nothing_is_recomputed_without_a_gradient() -> None:
    model = encoders("batch").eval()
    expected = model.encode_video(small_batch(3)["video"])
    model.num_parts = 2  # does not divide 3
    seen: list[int] = []
    model.video.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    with torch.no_grad():
        torch.testing.assert_close(model.encode_video(small_batch(3)["video"]), expected)
    assert seen == [2, 1], "held-out batches need the room of a part alone, as those of training"


def test_statistics_are_put_back_after_an_error() -> None:
    norm = nn.BatchNorm1d(2)
    with pytest.raises(RuntimeError), still_statistics(norm):
        norm(torch.randn(4, 2))
        raise RuntimeError
    assert norm.state_dict()["running_mean"].eq(0).all()
    assert norm.state_dict()["num_batches_tracked"] == 0
