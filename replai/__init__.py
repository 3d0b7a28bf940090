"""Self-supervised learning from egocentric video, streamed from shards (RepLAI, NeurIPS 2022)."""
