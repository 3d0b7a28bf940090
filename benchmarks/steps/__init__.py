"""Ways to compute a training step, in turns on one batch, and fed by the stream."""
