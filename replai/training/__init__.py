"""Floor 3: the DDP trainer."""
