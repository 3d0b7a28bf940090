"""Floor 1: encoded bytes → arrays (PyAV). Free of torch."""
