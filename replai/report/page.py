"""report.html: one page about a run, its probe and the moments it learnt from. From files alone.

python -m replai.report.page --run RUN [--probe PROBE] [--data ROOT] -o report.html
"""

from __future__ import annotations

import argparse
import base64
import html
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from replai.core import storage
from replai.core.config import load_config
from replai.core.errors import UserError, exits_cleanly
from replai.core.index import DatasetIndex, open_index
from replai.core.urls import without_secrets
from replai.models import LogMel, LogMelConfig
from replai.objectives.moment import AUDIO
from replai.report.plots import moment_strip, training_curves
from replai.report.probe import protocol_lines, unfinished_lines
from replai.report.probe_pictures import (
    Fields,
    Result,
    class_dots,
    figure_names,
    probe_bars,
    title_of,
)
from replai.report.watched import FORWARD, epoch_picture, probability_curves, shown_rows
from replai.stream.collate import AVBatch
from replai.stream.loader import AVStream, StreamConfig
from replai.training.config import RunConfig
from replai.training.examples import Examples, read_examples
from replai.training.learner import Learner
from replai.training.metrics import METRICS_NAME, read_metrics
from replai.training.trainer import CONFIG_NAME
from replai.views import VideoView

NUM_MOMENTS = 6
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem;
       color: #222; }
img { max-width: 100%; } h2 { margin-top: 2.5rem; } table { border-collapse: collapse; }
td, th { padding: .25rem .9rem; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
summary { cursor: pointer; padding: .3rem 0; }
p.note, td.note { color: #666; } pre { background: #f6f6f6; padding: 1rem; overflow-x: auto; }
"""


@dataclass(frozen=True)
class Inputs:
    """Where the page's facts come from."""

    run: Path
    probe: str
    """URL of a probe.json; empty: none."""
    root: str
    """Empty: no moments are shown but those that the run itself kept."""
    epochs: int = 5
    """Most validations whose pictures are shown: each is some 2 MB of the page."""

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UserError(f"--epochs is {self.epochs}; it must be at least 1")


def write_report(inputs: Inputs, output: str) -> None:
    """Writes the page to the URL `output`; the run may still go on. Raises UserError for a missing
    file.
    """
    for path in (inputs.run / METRICS_NAME, inputs.run / CONFIG_NAME):
        if not path.is_file():
            raise UserError(f"no such file: {path}; has the run made a first step?")
    config = load_config(RunConfig, inputs.run / CONFIG_NAME)
    rows = read_metrics(inputs.run / METRICS_NAME)
    examples = read_examples(inputs.run)
    sections = [_section("How it learnt", _training(config, rows))]
    if examples:
        sections.append(
            _section("Held-out moments, epoch by epoch", _watched(examples, inputs.epochs))
        )
    if inputs.root:
        title = "Clips and sound around a time"
        sections.insert(0, _section(title, _moments(config, open_index(inputs.root))))
    if inputs.probe:
        result = _read_probe(inputs.probe)
        sections.append(_section("What the features are worth: a linear probe", _probe(result)))
    resolved = html.escape((inputs.run / CONFIG_NAME).read_text())
    sections.append(_section("The run", f"<pre>{resolved}</pre>"))
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>RepLAI run</title>"
        f"<style>{STYLE}</style><h1>RepLAI run</h1>{''.join(sections)}</html>\n"
    )
    storage.write_bytes(output, page.encode())


def _read_probe(url: str) -> Result:
    data = storage.read_bytes(url)
    try:
        result: Result = json.loads(data)
        if figure_names(result):
            return result
    except (ValueError, AttributeError, TypeError):
        pass
    raise UserError(f"{without_secrets(url)} is no probe.json")


def _section(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>{body}"


def _image(data: bytes, alternative: str) -> str:
    encoded = base64.b64encode(data).decode()
    return f"<img alt='{html.escape(alternative)}' src='data:image/png;base64,{encoded}'>"


def _moments(config: RunConfig, index: DatasetIndex) -> str:
    """Strips of a few moments as the stream gives them to the run: its clips, the sound."""
    objective = Learner(config.encoders, config.objective, config.seed).objective
    stream = AVStream(
        index,
        objective.views,
        sampling=replace(config.data.sampling, per_visit=1),
        crop=config.data.crop,
        batch_size=NUM_MOMENTS,
        augment=False,
        config=StreamConfig(num_workers=0),
    )
    batch = next(iter(stream))
    rows = batch.valid.nonzero().flatten().tolist()[:NUM_MOMENTS]
    clips = " and ".join(
        f"from {view.start_seconds:+.3g} to {view.start_seconds + view.duration_seconds:+.3g} s"
        for view in objective.views
        if isinstance(view, VideoView)
    )
    note = (
        "<p class='note'>Each row is one time t, sampled as in the run "
        f"(<code>data.sampling.at={config.data.sampling.at.value}</code>): frames {clips} of it, "
        "and the log-mel spectrogram of the sound around it (white line).</p>"
    )
    return note + "".join(_strip(batch, row, config.encoders.log_mel) for row in rows)


def _strip(batch: AVBatch, row: int, log_mel: LogMelConfig) -> str:
    views = {name: view[row] for name, view in batch.views.items()}
    clips = {
        name.removeprefix("video_"): view.permute(1, 2, 3, 0).numpy()
        for name, view in views.items()
        if view.dtype == torch.uint8
    }
    spectrogram = LogMel(log_mel)(views[AUDIO][None])[0, 0].numpy()
    title = f"{batch.video_ids[row]}, t = {float(batch.seconds[row]):.2f} s"
    picture = moment_strip(clips, np.asarray(spectrogram, np.float32), title)
    return _image(picture, f"moment of interaction in {title}")


def _training(config: RunConfig, rows: list[dict[str, float]]) -> str:
    held_out = [row for row in rows if any(name.startswith("held_out/") for name in row)]
    facts = ""
    if held_out:
        last = held_out[-1]
        facts = (
            f"<table><tr><th>on held-out videos, after step {last['step']}</th><th>value</th>"
            "<th>chance</th></tr>"
            + _fact("direction accuracy (did the sound tell before from after?)",
                    last.get("held_out/direction_accuracy"), 0.5)
            + _fact(f"audio → video retrieval R@1 among {config.batch_size}",
                    last.get("held_out/audio_to_video_recall_at_1"), 1 / config.batch_size)
            + "</table>"
        )  # fmt: skip
    return facts + _image(training_curves(rows), "training curves")


def _watched(examples: Examples, most: int) -> str:
    """The pictures of `most` epochs, the last one open."""
    note = (
        "<p class='note'>The same moments of held-out videos after some epochs: frames of the clip "
        "before and the clip after, the sound, the probabilities that the change from before to "
        "after (p_fwd) and its reverse (p_bwd) fit the sound, and of the sounds of "
        f"{len(examples.titles)} moments those that are most like the two clips, with their cosine "
        "similarity (their own sound: green frame). "
        f"{min(most, len(examples.rows))} of {len(examples.rows)} validations "
        "(<code>--epochs</code>).</p>"
    )
    chosen = shown_rows(examples.rows, most)
    curves = ""
    if FORWARD in examples.rows[-1] and len(examples.rows) > 1:
        curves = _image(probability_curves(examples), "p_fwd and p_bwd over the epochs")
    pictures = "".join(
        f"<details{' open' if row is chosen[-1] else ''}>"
        f"<summary>after epoch {row['epoch']}, step {row['step']}</summary>"
        + _image(epoch_picture(examples, row), f"held-out moments after epoch {row['epoch']}")
        + "</details>"
        for row in chosen
    )
    return note + curves + pictures


def _fact(name: str, value: float | None, chance: float) -> str:
    if value is None:
        return ""
    cells = f"<td>{html.escape(name)}</td><td>{value:.3f}</td><td class='note'>{chance:.3f}</td>"
    return f"<tr>{cells}</tr>"


def _probe(result: Result) -> str:
    names = figure_names(result)
    titles = [html.escape(title_of(name)).replace("\n", "<br>") for name in names]
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(
        f"<tr><td>{html.escape(row)}</td>{''.join(_figure(fields, name) for name in names)}</tr>"
        for row, fields in result.items()
    )
    table = f"<table><tr><th>encoder</th>{head}</tr>{body}</table>"
    told = "; ".join(
        html.escape(line) for line in (*protocol_lines(result), *unfinished_lines(result))
    )
    note = (
        "<p class='note'>Accuracy in % on videos that the linear heads were not trained on; "
        f"the encoders are frozen. {told}</p>"
    )
    bars, classes = probe_bars(result), class_dots(result)
    return table + note + _image(bars, "probe accuracies") + _image(classes, "class by class")


def _figure(fields: Fields, name: str) -> str:
    if name not in fields:
        return "<td>–</td>"
    interval = fields.get("intervals", {}).get(name)
    beside = "<br><small>{:.1f}–{:.1f}</small>".format(*interval) if interval else ""
    return f"<td>{fields[name]:.1f}{beside}</td>"


@exits_cleanly
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Write the report page of a run.")
    parser.add_argument("--run", type=Path, required=True, help="folder of a run of train.py")
    parser.add_argument("--probe", default="", help="probe.json of probe.py, or its URL")
    parser.add_argument("--data", default="", help="dataset root to show moments of")
    parser.add_argument(
        "--epochs", type=int, default=Inputs.epochs, help="most validations that are drawn"
    )
    parser.add_argument("-o", "--output", required=True, help="file or URL of the page")
    arguments = parser.parse_args()
    inputs = Inputs(arguments.run, arguments.probe, arguments.data, arguments.epochs)
    write_report(inputs, arguments.output)
    print(f"written: {without_secrets(arguments.output)}")


if __name__ == "__main__":
    main()
