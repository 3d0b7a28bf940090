"""Fixtures for tests that compute with torch."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """On a loaded machine torch's threads wait for each other: up to 30 times the CPU."""
    torch.set_num_threads(1)
