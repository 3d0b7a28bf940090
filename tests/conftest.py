"""Fixtures for all tests."""

import os
from pathlib import Path

# On a loaded machine torch's threads wait for each other: up to 30 times the CPU.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import settings

from tests.worlds import SmallData, make_small_data

# Timings belong in benchmarks: a busy machine must not fail a test.
settings.register_profile("replai", deadline=None)
settings.load_profile("replai")


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> SmallData:
    """A world of three short videos, detected and packed. Read it, never write to it."""
    return make_small_data(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small_root(small_data: SmallData) -> Path:
    """The packed dataset of `small_data`. Copy it before you change it."""
    return small_data.root
