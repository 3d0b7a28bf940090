"""Parts of shard.py."""
