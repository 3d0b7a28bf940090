"""Fixtures of the models' tests."""

import pytest
import torch

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=ON_GPU)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device that a module may run on here."""
    return torch.device(request.param)
