"""Which settings a run may change when it continues, and what it takes from older versions."""

from pathlib import Path
from typing import Any

import pytest

from replai.core.config import config_dict
from replai.core.errors import UserError
from replai.training.initial import InitConfig
from replai.training.optim import OptimConfig
from replai.training.resume import refuse_other_config
from tests.replai.training.runs import tiny_run

PATH = Path("run/checkpoint.pt")


def settings(**changes: Any) -> dict[str, Any]:
    return config_dict(tiny_run(Path("root"), Path("out"), **changes))


def test_a_setting_that_the_checkpoint_does_not_know_may_have_its_default() -> None:
    older = settings()
    del older["optim"]["average_decay"]
    refuse_other_config(older, settings(), PATH)
    ours = settings(optim=OptimConfig(average_decay=0.9))
    with pytest.raises(
        UserError, match=r"before optim\.average_decay was a setting; leave it at 0"
    ):
        refuse_other_config(older, ours, PATH)


def test_a_signature_may_be_renewed_and_is_never_kept() -> None:
    first, second = (
        settings(init=InitConfig(avid=f"https://host/avid.pt?X-Amz-Signature={name}"))
        for name in ("abc", "def")
    )
    assert "abc" not in str(first)
    refuse_other_config(first, second, PATH)
    older = settings()
    older["init"]["avid"] = "https://host/avid.pt?X-Amz-Signature=kept-by-an-older-version"
    refuse_other_config(older, second, PATH)
    with pytest.raises(UserError, match=r"init\.avid"):
        refuse_other_config(first, settings(), PATH)


def test_a_setting_that_is_none_any_more_is_named() -> None:
    older = settings()
    older["optim"]["dampening"] = 0.1
    with pytest.raises(UserError, match=r"optim\.dampening=0\.1, which is no setting any more"):
        refuse_other_config(older, settings(), PATH)


def test_how_a_step_is_computed_may_change() -> None:
    older = settings(log_every_steps=3)
    older["compute"]["precision"] = "bfloat16"
    older["compute"]["dropped"] = True
    refuse_other_config(older, settings(), PATH)
