"""Decode on its own: segments, ways to decode a moment of them, figures."""
