from itertools import islice

import aiohttp
import botocore.exceptions
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replai.core.errors import UserError
from replai.stream.retry import Patience, RetryConfig, may_pass, waits_seconds


def http_error(status: int) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(None, (), status=status)  # type: ignore[arg-type]


def error_with(text: str = "said by the store", **facts: object) -> Exception:
    """What a client that we do not know raises."""
    error = type("HttpError", (Exception,), facts)(text)
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (OSError(5, "Input/output error"), True),
        (EOFError(), True),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="u"), True),
        (aiohttp.ClientPayloadError(), True),
        (http_error(500), True),
        (http_error(503), True),
        (http_error(429), True),
        (http_error(403), False),
        (http_error(416), False),
        (error_with(__module__="azure.core.exceptions"), True),
        (error_with(__module__="google.auth.exceptions"), True),
        (error_with(__module__="obstore.exceptions"), True),
        (error_with("<Code>ExpiredToken</Code>", __module__="obstore.exceptions"), False),
        (error_with("<Code>ExpiredToken</Code>"), False),
        (error_with("incorrectly configured region", __module__="obstore.exceptions"), False),
        (error_with(code=503), True),
        (error_with(code="502"), True),
        (error_with(status_code=429), True),
        (error_with(code=400), False),
        (error_with(status_code=403), False),
        (error_with(code=7), False),
        (error_with(code="E503"), False),
        (botocore.exceptions.NoCredentialsError(), False),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (NotADirectoryError(), False),
        (UserError("no"), False),
        (ValueError("a bug"), False),
        (NameError("a bug"), False),
    ],
    ids=repr,
)
def test_what_may_pass(error: Exception, passes: bool) -> None:
    assert may_pass(error) == passes


def test_patience_grows_while_answers_are_late_and_ends_with_a_quick_one() -> None:
    patience = Patience(20.0)
    found = []
    for _ in range(5):
        allowed = patience.seconds
        for _ in range(64):  # which began together
            patience.late(allowed)
        found.append(patience.seconds)
    assert found == [40.0, 80.0, 160.0, 160.0, 160.0]
    patience.answer(30.0)
    assert patience.seconds == 120.0
    patience.answer(31.0)
    assert patience.seconds == 120.0
    patience.answer(0.1)
    assert patience.seconds == 20.0


@given(st.floats(0, 5), st.floats(0, 20), st.integers(0, 99))
def test_waits_are_bounded_by_a_limit_that_doubles(first: float, longest: float, seed: int) -> None:
    config = RetryConfig(first_wait_seconds=first, longest_wait_seconds=longest)
    waits = list(islice(waits_seconds(config, np.random.default_rng(seed)), 12))
    for number, wait in enumerate(waits):
        assert 0 <= wait <= min(first * 2**number, longest)
    assert waits == list(islice(waits_seconds(config, np.random.default_rng(seed)), 12))


def test_waits_use_their_whole_range() -> None:
    config = RetryConfig(first_wait_seconds=1.0, longest_wait_seconds=4.0)
    draws = np.random.default_rng(0)
    runs = np.array([list(islice(waits_seconds(config, draws), 5)) for _ in range(500)])
    for limit, waits in zip([1, 2, 4, 4, 4], runs.T, strict=True):
        assert waits.min() < 0.05 * limit
        assert waits.max() > 0.95 * limit


@pytest.mark.parametrize(
    "change",
    [
        {"attempt_seconds": 0.0},
        {"attempt_seconds": float("nan")},
        {"total_seconds": -1.0},
        {"first_wait_seconds": -0.1},
        {"longest_wait_seconds": float("nan")},
        {"longest_wait_seconds": float("inf")},
        {"total_seconds": float("inf")},
        {"hedge_seconds": -1.0},
        {"most_given_up": 0},
    ],
)
def test_configs_that_make_no_sense(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        RetryConfig(**change)
