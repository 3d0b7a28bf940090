import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from replai.training.metrics import METRICS_NAME, MetricsLog, Pace, progress_line, read_metrics


def test_rows_past_the_resumed_step_are_dropped(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_step=0) as log:
        for step in (1, 2, 3):
            log.write(step, {"loss": float(step)})
    with MetricsLog(tmp_path, resumed_step=2) as log:
        log.write(3, {"loss": 30.0})
    rows = read_metrics(tmp_path / METRICS_NAME)
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / METRICS_NAME
    path.write_text(json.dumps({"step": 1}) + '\n{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 1}]


def test_damage_in_the_middle_costs_its_line_alone(tmp_path: Path) -> None:
    """Also on resume, which writes the file anew."""
    path = tmp_path / METRICS_NAME
    lines = [json.dumps({"step": step}).encode() for step in (1, 2, 3, 4, 5)]
    lines[1], lines[2], lines[3] = b"\0" * 12, b"\xff" + lines[2], b"4"
    path.write_bytes(b"\n".join(lines) + b"\n")
    MetricsLog(tmp_path, resumed_step=5).__exit__(None, None, None)
    assert read_metrics(path) == [{"step": 1}, {"step": 5}]


def test_a_pause_changes_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    clock = SimpleNamespace(perf_counter=lambda: now)
    monkeypatch.setattr("replai.training.metrics.time", clock)
    pace = Pace()
    pace.count(60)
    now = 3.0
    with pace.paused():
        now = 1000.0  # as a validation takes, before the next row is due
    pace.count(40)
    now = 1002.0
    expected = {"moments_per_second": 20.0, "wait_share": 0.2}
    assert pace.since_last(waited_seconds=1.0) == (5.0, expected)
    now = 1010.0
    with pace.paused():
        now = 5000.0
    assert pace.running_seconds() == 13.0


def test_the_progress_line_says_where_and_how_long() -> None:
    line = progress_line(3, 10, 3725.0, {"loss": 1.5})
    assert line == "step 3/10  loss 1.5  left 1:02:05"
