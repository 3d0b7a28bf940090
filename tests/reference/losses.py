"""The losses once more, in loops over floats, straight from the equations of the paper."""

import math

Rows = list[list[float]]


def cosine(x: list[float], y: list[float]) -> float:
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return dot / math.sqrt(sum(a * a for a in x)) / math.sqrt(sum(b * b for b in y))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def info_nce(video: Rows, audio: Rows, temperature: float) -> float:
    """Eq. 4: both directions summed, mean over pairs."""
    total = 0.0
    for i in range(len(video)):
        own = math.exp(cosine(video[i], audio[i]) / temperature)
        sounds = sum(math.exp(cosine(video[i], a) / temperature) for a in audio)
        clips = sum(math.exp(cosine(v, audio[i]) / temperature) for v in video)
        total += -math.log(own / sounds) - math.log(own / clips)
    return total / len(video)


def astc(deltas: Rows, reverse_deltas: Rows, audio: Rows, temperature: float) -> float:
    """Eq. 1-3, mean over moments, of the differences as the head leaves them."""
    total = 0.0
    for forward, backward, sound in zip(deltas, reverse_deltas, audio, strict=True):
        p_forward = sigmoid(cosine(forward, sound) / temperature)
        p_backward = sigmoid(cosine(backward, sound) / temperature)
        total += -math.log(p_forward) - math.log(1 - p_backward)
    return total / len(deltas)


def nce(own: list[float], negatives: Rows, partition: float) -> float:
    """Mean over rows; own: score of each row's own memory, negatives: those of K others."""
    total = 0.0
    for score, others in zip(own, negatives, strict=True):
        noise = len(others) * partition
        total -= math.log(math.exp(score) / (math.exp(score) + noise))
        for other in others:
            total -= math.log(1 - math.exp(other) / (math.exp(other) + noise))
    return total / len(own)


def remembered(memory: list[float], embeddings: Rows, momentum: float) -> list[float]:
    """A memory of unit length after the embeddings of one batch for it."""
    count = len(embeddings)
    mean = [sum(values) / count for values in zip(*embeddings, strict=True)]
    mixed = [momentum * m + (1 - momentum) * e for m, e in zip(memory, mean, strict=True)]
    length = math.sqrt(sum(x * x for x in mixed))
    return [x / length for x in mixed]


def recall_at_1(audio: Rows, video: Rows) -> float:
    """Share of sounds whose most similar clip is their own."""
    hits = 0
    for i, sound in enumerate(audio):
        similarities = [cosine(sound, clip) for clip in video]
        hits += similarities.index(max(similarities)) == i
    return hits / len(audio)
