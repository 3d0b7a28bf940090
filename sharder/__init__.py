"""Untrimmed videos → moments of interaction → WebDataset shards. Free of torch."""
