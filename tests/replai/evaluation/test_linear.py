import torch

from replai.evaluation.config import LinearConfig
from replai.evaluation.features import Features
from replai.evaluation.linear import accuracies, fit_heads, top_k_share

CONFIG = LinearConfig(learning_rate=0.1, num_epochs=40, batch_size=16)


def _separable(count: int, seed: int) -> Features:
    """Verb in the first three dimensions, noun in the others, scales that differ by 1000."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.stack([torch.randint(3, (count,), generator=draw) for _ in range(2)], dim=1)
    values = torch.cat(
        [
            1000 * torch.nn.functional.one_hot(labels[:, 0], 3),
            torch.nn.functional.one_hot(labels[:, 1], 3),
        ],
        dim=1,
    ).float()
    return Features(values + 0.05 * torch.randn(values.shape, generator=draw), labels)


def test_separable_classes_are_told_apart_at_any_scale() -> None:
    heads = fit_heads(_separable(200, 0), (3, 3), CONFIG, seed=0)
    figures = accuracies(heads, _separable(100, 1))
    assert figures["verb_top1"] > 95
    assert figures["noun_top1"] > 95
    assert figures["verb_top5"] == 100


def test_features_without_a_signal_give_chance() -> None:
    noise = _separable(200, 0)
    shuffled = Features(
        noise.values[torch.randperm(200, generator=torch.Generator().manual_seed(0))], noise.labels
    )
    figures = accuracies(fit_heads(shuffled, (3, 3), CONFIG, seed=0), _separable(300, 1))
    assert figures["verb_top1"] < 60


def test_the_same_seed_gives_the_same_heads() -> None:
    one, other, another = (fit_heads(_separable(50, 0), (3, 3), CONFIG, seed=s) for s in (0, 0, 1))
    assert torch.equal(one.heads[0].weight, other.heads[0].weight)
    assert not torch.equal(one.heads[0].weight, another.heads[0].weight)


def test_actions_without_a_class_do_not_count() -> None:
    features = _separable(60, 0)
    labels = features.labels.clone()
    labels[::2, 0] = -1
    figures = accuracies(fit_heads(features, (3, 3), CONFIG, 0), Features(features.values, labels))
    assert figures["verb_top1"] > 95
    none = Features(features.values, torch.full_like(labels, -1))
    assert accuracies(fit_heads(none, (3, 3), CONFIG, 0), none)["noun_top1"] == 0


def test_top_k_share_against_a_loop() -> None:
    scores, labels = torch.randn(50, 7), torch.randint(7, (50,))
    for k in (1, 5, 9):
        hits = sum(int(label) in sorted(range(7), key=lambda c: -row[c])[:k] for row, label in zip(scores.tolist(), labels, strict=True))  # fmt: skip  # noqa: E501
        assert (
            top_k_share(scores, labels, k) == hits / 50
            or abs(top_k_share(scores, labels, k) - hits / 50) < 1e-6
        )
