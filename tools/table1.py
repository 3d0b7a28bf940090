"""`make table1`: the rows of the paper's Table 1 on made-up worlds, each seed worlds of its own.

For each seed: a world of short clips → AVID's training on it, from which all rows but two start; a
world of untrimmed videos → each row's training and probe there (AVID's start is probed as it is).
After each seed table1.json, table1.md and table1.png are written from all that is there. Rows that
the paper lacks come after all of its own. Run it again and finished steps are skipped; a run that
was broken off continues. Of runs side by side each has a log in its seed's folder.

The paper's start is AVID's weights from AudioSet: short clips picked for what is heard in them, of
other places than the videos'. So are the clips here: other rooms and people, and no labels used.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from replai.core.config import load_config
from replai.core.errors import UserError, exits_cleanly
from replai.report import table1
from tools.steps import Steps, make_dataset, train

PRESETS = Path("configs/table1")
CHECKPOINT, PROBE = "checkpoint.pt", "probe.json"
PRETRAINING = "pretraining"
METRICS = (*table1.METRICS, table1.ACTION)
CLIPS_SEED = 10_000
"""Added to a seed for its world of clips."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How large the worlds are and how long each row trains; the runs' configs lie beside it."""

    seeds: list[int]
    """Each is a world's and the weights' seed. Recipes are chosen on other seeds than these."""
    ranks: int
    """Processes of a training run."""
    jobs: int = 1
    """Runs at a time."""
    clips: str
    """Options of `sharder world` for the short clips that AVID is trained on before the rows."""
    pack_clips: str
    """Options of `sharder pack` for them."""
    world: str
    """Options of `sharder world` for the untrimmed videos of the rows."""
    pack: str
    """Options of `sharder pack` for them."""
    pretraining_steps: int
    """Steps of AVID before all rows but Random and scratch."""
    row_steps: int
    """Steps of each row but Random and AVID's start: its own budget, the same for all."""

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds is {self.seeds}; give different numbers, none negative")
        for name in ("ranks", "jobs", "pretraining_steps", "row_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True)
class Row:
    """How a row differs from RepLAI."""

    config: str = "replai"
    """Which of the preset's run configs."""
    from_avid: bool = True
    """Whether it starts from AVID's weights."""
    overrides: tuple[str, ...] = ()
    trains: bool = True
    """False for AVID's weights as they are."""


ROWS = {
    "start": Row(trains=False),
    "avid": Row(config="avid"),
    "wo_avc": Row(overrides=("objective.avc_weight=0",)),
    "wo_astc": Row(overrides=("objective.astc_weight=0",)),
    "wo_moi": Row(overrides=("data.sampling.at=random",)),
    "scratch": Row(from_avid=False),
    "bare": Row(overrides=("objective.difference_head=false",)),
    "replai": Row(),
}
"""All rows but Random, which is the encoder that a probe draws beside the trained one."""
PAPERS = [name for name in ROWS if table1.TABLE[name].papers]
FURTHER = [name for name in ROWS if name not in PAPERS]


class Seed:
    """One seed's world and runs, below a folder of its own."""

    def __init__(self, preset: Preset, configs: Path, out: Path, seed: int) -> None:
        self._preset, self._configs, self._seed = preset, configs, seed
        self._started = time.monotonic()
        self._out = out / f"seed{seed}"
        self._clips, self._data = (str(self._out / name) for name in ("clips/data", "data"))

    def probed(self, row: str) -> Path:
        """Where the figures of `row` are; those of Random stand beside RepLAI's."""
        return self._out / ("replai" if row == "random" else row) / PROBE

    @property
    def number(self) -> int:
        """The seed."""
        return self._seed

    def has(self, rows: Sequence[str]) -> bool:
        """Whether all of `rows` are probed."""
        return all(self._has(row) for row in rows)

    def _has(self, row: str) -> bool:
        """A probe that lacks a metric, as an older one does, is made again."""
        path = self.probed(row)
        return path.exists() and set(METRICS) <= json.loads(path.read_text())["trained"].keys()

    def prepare(self) -> None:
        """Makes what the rows need and is not there yet: the worlds, AVID's training."""
        steps = self._steps(PRETRAINING)
        make_dataset(
            steps, self._out / "clips" / "world", self._clips, splits=["train"],
            settings=[*shlex.split(self._preset.clips), "--seed", str(CLIPS_SEED + self._seed)],
            profile=shlex.split(self._preset.pack_clips),
        )  # fmt: skip
        self._train(steps, PRETRAINING, Row(config=PRETRAINING, from_avid=False))
        make_dataset(
            steps, self._out / "world", self._data,
            settings=[*shlex.split(self._preset.world), "--seed", str(self._seed)],
            profile=shlex.split(self._preset.pack),
        )  # fmt: skip

    def make(self, name: str) -> None:
        """Trains and probes a row."""
        steps = self._steps(name)
        if ROWS[name].trains:
            self._train(steps, name, ROWS[name])
        self._probe(steps, name)

    def _steps(self, name: str) -> Steps:
        log = self._out / f"{name}.log" if self._preset.jobs > 1 else None
        return Steps(f"table 1, seed {self._seed}", {"OMP_NUM_THREADS": "1"}, log, self._started)

    def _train(self, steps: Steps, name: str, row: Row) -> None:
        """Nothing but a look at the checkpoint if the run is at its end."""
        num_steps, root = self._preset.row_steps, self._data
        if name == PRETRAINING:
            num_steps, root = self._preset.pretraining_steps, self._clips
        start = [f"init.checkpoint={self._out / PRETRAINING / CHECKPOINT}"]
        train(
            steps, self._preset.ranks, "--config", str(self._configs / f"{row.config}.yaml"),
            f"out={self._out / name}", f"seed={self._seed}", f"data.root={root}/train",
            f"max_steps={num_steps}", "data.stream.read_unit=1",  # as in results/
            *(start if row.from_avid else []), *row.overrides,
        )  # fmt: skip

    def _probe(self, steps: Steps, name: str) -> None:
        run = self._out / (name if ROWS[name].trains else PRETRAINING)
        steps.run(
            "python", "probe.py", "--config", str(self._configs / "probe.yaml"),
            f"checkpoint={run / CHECKPOINT}", f"out={self._out / name}",
            f"train_root={self._data}/train", f"test_root={self._data}/test", f"seed={self._seed}",
        )  # fmt: skip


def run_table1(preset_name: str, out: Path, results: Path, command: str) -> None:
    """Everything below `out`, and the table in `results`."""
    configs = PRESETS / preset_name
    preset = load_config(Preset, configs / "preset.yaml")
    _claim(out, configs)
    seeds = [Seed(preset, configs, out, seed) for seed in preset.seeds]
    started = time.monotonic()
    written = 0
    for made, left in _made(seeds, preset.jobs):
        whole = [one for one in seeds if one.has(PAPERS)]
        if len(whole) > written:
            _write(whole, preset, preset_name, results, command)
            written = len(whole)
        minutes = (time.monotonic() - started) / made * left / 60
        print(f"\n{left} rows and about {minutes:.0f} minutes left", flush=True)
    _write(seeds, preset, preset_name, results, command)
    print((results / "table1.md").read_text())
    print(f"written: {results}/table1.json, table1.md, table1.png")


def _made(seeds: Sequence[Seed], jobs: int) -> Iterator[tuple[int, int]]:
    """Makes all rows that are not there yet; yields (made, left) after each of them."""
    needed = [seed for seed in seeds if not seed.has([*PAPERS, *FURTHER])]
    ready: dict[Seed, Future[None]] = {}
    runs: list[Future[None]] = []
    pool = ThreadPoolExecutor(jobs)

    def submit(seed: Seed, rows: Sequence[str]) -> None:
        missing = [row for row in rows if not seed.has([row])]
        runs.extend(pool.submit(_make, seed, row, ready[seed]) for row in missing)

    for number, seed in enumerate(needed):
        for one in needed[number : number + 2]:  # the next one's worlds beside this one's rows
            if one not in ready:
                ready[one] = pool.submit(one.prepare)
        submit(seed, PAPERS)
    for seed in needed:
        submit(seed, FURTHER)
    try:
        for made, run in enumerate(as_completed(runs), start=1):
            run.result()
            yield made, len(runs) - made
    finally:  # what failed is told at once; the process ends with the run beside it
        pool.shutdown(wait=False, cancel_futures=True)


def _make(seed: Seed, row: str, ready: Future[None]) -> None:
    ready.result()  # waits for the seed's worlds
    seed.make(row)


def _claim(out: Path, configs: Path) -> None:
    """Refuses a folder that holds runs of other settings; keeps the settings in it.

    More seeds, or another number of jobs, are no other settings.
    """
    kept = out / "settings"
    if kept.exists():
        if _settings(kept) != _settings(configs):
            raise UserError(f"{out} holds runs of other settings than {configs}; give another out")
        return
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        shutil.copytree(configs, Path(folder) / "settings").rename(kept)  # all of them, or none


def _settings(folder: Path) -> dict[str, Any]:
    """What the YAML files in `folder` say, as far as it decides what a row comes to."""
    found: dict[str, Any] = {
        path.name: OmegaConf.to_container(OmegaConf.load(path)) for path in folder.glob("*.yaml")
    }
    for name in ("jobs", "seeds"):
        found.get("preset.yaml", {}).pop(name, None)
    return found


def _write(seeds: Sequence[Seed], preset: Preset, name: str, results: Path, command: str) -> None:
    rows: dict[str, dict[str, list[float]]] = {}
    for row in table1.TABLE:
        if all(seed.has([row]) for seed in seeds):
            encoder = "random" if row == "random" else "trained"
            found = [json.loads(seed.probed(row).read_text())[encoder] for seed in seeds]
            rows[row] = {metric: [one[metric] for one in found] for metric in METRICS}
    told = {
        "rows": rows,
        "preset": name,
        "command": command,
        "seeds": [seed.number for seed in seeds],
        "steps": {"pretraining": preset.pretraining_steps, "row": preset.row_steps},
    }
    results.mkdir(parents=True, exist_ok=True)
    (results / "table1.json").write_text(json.dumps(told, indent=1) + "\n")
    (results / "table1.md").write_text(table1.markdown(rows))
    (results / "table1.png").write_bytes(table1.picture(rows))


@exits_cleanly
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="cpu", help="a folder of configs/table1")
    parser.add_argument("--out", type=Path, help="folder of the runs (runs/table1-PRESET)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the table")
    arguments = parser.parse_args()
    out = arguments.out or Path("runs") / f"table1-{arguments.preset}"
    run_table1(arguments.preset, out, arguments.results, f"make table1 PRESET={arguments.preset}")


if __name__ == "__main__":
    main()
