"""A probe's table, file and pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from replai.report.probe import print_table, protocol_lines, write_probe
from replai.report.probe_pictures import MOST_CLASSES, class_dots, figure_names

INTERVAL = {"confidence": 0.95, "num_groups": 7, "over": "video"}
PROTOCOL = {"classifier": "sgd", "clips_per_action": 10, "parts": 1, "num_train": 40,
            "num_test": 20, "average": "predictions", "interval": INTERVAL}  # fmt: skip


def outcome(num_classes: int = 3, **figures: float) -> dict[str, object]:
    names = [{"class_id": i, "name": f"verb-{i}", "num_train": 1, "num_test": 9 - i % 9,
              "top1": 10.0 * (i % 11)} for i in range(num_classes)]  # fmt: skip
    intervals = {name: [value - 1.5, value + 2.5] for name, value in figures.items()}
    return {**figures, "intervals": intervals, "classes": {"verb": names},
            "protocol": {"actions": PROTOCOL}}  # fmt: skip


RESULT = {
    "trained": outcome(verb_top1=61.25, verb_mean_class=50.0),
    "random": outcome(verb_top1=12.5, verb_mean_class=9.0),
    "trained (svm)": outcome(verb_top1=71.0),
}


def test_the_table_has_figures_intervals_and_protocol(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(RESULT, str(tmp_path))
    said = capsys.readouterr().out
    assert "61.2" in said and "59.8–63.8" in said and "trained (svm)" in said
    assert "10 clips an action; 40 to train on, 20 to test" in said
    assert "95% intervals over 7 videos" in said
    assert "[dim]" not in said


def test_a_fit_that_was_broken_off_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def fitted(classifier: str, **converged: bool) -> dict[str, object]:
        return {**PROTOCOL, "classifier": classifier, "converged": converged}

    folds = {"1": {"converged": {"sound": True}}, "2": {"converged": {"sound": False}}}
    sounds = {**PROTOCOL, "classifier": "svm", "clips": 1, "num_sounds": 4, "folds": folds}
    result = {
        "trained": {**outcome(), "protocol": {"actions": fitted("logistic", verb=True, noun=True)}},
        "random": {**outcome(), "protocol": {"actions": fitted("logistic", verb=True, noun=False),
                                             "sounds": sounds}},
    }  # fmt: skip
    print_table(result, "out")
    said = [line for line in capsys.readouterr().out.splitlines() if "its end" in line]
    assert said == [
        "random: logistic did not come to its end for noun; raise logistic.max_iterations",
        "random: svm did not come to its end for sound; raise svm.max_iterations",
    ]


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    write_probe(RESULT, str(tmp_path))
    assert json.loads((tmp_path / "probe.json").read_text()) == RESULT
    for name in ("probe.png", "probe-classes.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 100


def test_a_probe_of_before_intervals_is_still_shown() -> None:
    old = {"trained": {"verb_top1": 61.0}, "random": {"verb_top1": 12.0}}
    assert figure_names(old) == ["verb_top1"]
    assert list(protocol_lines(old)) == []
    assert class_dots(old)


def test_names_of_classes_are_no_formulas() -> None:
    named = outcome(2, verb_top1=61.25)
    named["classes"] = {"verb": [{"class_id": 0, "name": "count $ and #$", "num_train": 1,
                                  "num_test": 3, "top1": 10.0}]}  # fmt: skip
    assert class_dots({"trained": named}).startswith(b"\x89PNG")


def test_of_many_classes_the_most_frequent_are_shown() -> None:
    results = [{"trained": outcome(count)} for count in (MOST_CLASSES, 4 * MOST_CLASSES)]
    heights = [Image.open(io.BytesIO(class_dots(one))).size[1] for one in results]
    assert heights[0] == heights[1]
