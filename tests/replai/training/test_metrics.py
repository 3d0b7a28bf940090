import json
from pathlib import Path

from replai.training.metrics import METRICS_NAME, MetricsLog, progress_line, read_metrics


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


def test_the_progress_line_says_where_and_how_long() -> None:
    line = progress_line(3, 10, 3725.0, {"loss": 1.5})
    assert line == "step 3/10  loss 1.5  left 1:02:05"
