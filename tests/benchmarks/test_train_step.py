"""benchmarks/train_step.py at its tiny size, and its arithmetic; no figure is asserted."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.steps.command import main
from benchmarks.steps.fed import Fed, FeedRound
from benchmarks.steps.figures import cores_that_suffice, feed_figures, step_figures
from benchmarks.steps.size import TINY
from benchmarks.steps.turns import Turn
from benchmarks.steps.ways import REFERENCE, TRAINER, make_steps
from replai.training.feed import Feed
from tests.replai.training.test_feed import batch


def test_it_runs_on_the_cpu(small_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "steps.json"
    main(["--json", str(path), "--device", "cpu", "--size", "tiny", "--data", str(small_root),
          "--workers", "1"])  # fmt: skip
    told = json.loads(path.read_text())
    assert set(told) == {"figures", "raw", "command", "versions"}
    assert {"step_over_reference", "fed_over_resident", "cores_that_suffice"} <= set(
        told["figures"]
    )
    assert all(isinstance(value, int | float) for value in told["figures"].values())
    assert "compiled_over_eager" not in told["figures"]


def test_a_machine_without_a_gpu_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(SystemExit, match="2"):
        main(["--json", str(tmp_path / "steps.json")])
    assert "--device cpu" in capsys.readouterr().err


def test_all_ways_have_one_loss() -> None:
    (placed,) = Feed(torch.device("cpu"))([batch(0)])
    steps = make_steps(TINY, torch.device("cpu"))
    losses = [step(placed.views, placed.rows).total.item() for step in steps.values()]
    torch.testing.assert_close(losses, [losses[0]] * len(losses), rtol=0.2, atol=0.0)


def test_ratios_are_taken_within_a_round_then_the_median() -> None:
    def turns(*seconds: float) -> list[Turn]:
        return [Turn(one, one * 2) for one in seconds]

    found = step_figures({TRAINER: turns(1, 2, 1), REFERENCE: turns(3, 8, 9)}, batch=4)
    assert found["step_over_reference"] == 4
    assert found["moments_per_second"] == 4
    assert found["reference_gigabytes"] == 18
    assert "compiled_over_eager" not in found


def test_fed_steps_stand_beside_resident_ones() -> None:
    rounds = [
        FeedRound(Fed(10, 4.0, 1.0), Fed(10, 2.5, 0.0), Fed(10, 2.0, 0.0)),
        FeedRound(Fed(10, 8.0, 2.0), Fed(10, 5.0, 0.0), Fed(10, 4.0, 0.0)),  # all at half the speed
        FeedRound(Fed(10, 2.0, 0.0), Fed(10, 9.9, 0.0), Fed(10, 2.0, 0.0)),
    ]
    found = feed_figures(rounds, 0.012, batch=100)
    assert found["fed_over_resident"] == pytest.approx(0.5)
    assert found["fed_wait_share"] == pytest.approx(0.25)
    assert found["from_memory_over_resident"] == pytest.approx(0.8)
    assert found["cores_that_suffice"] == 7  # 500 moments/s at 12 ms: 6, and the trainer's
    assert cores_that_suffice(0.01, 101) == 3
