"""A probe's result: a table on screen, probe.json and probe.png."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from replai.core import storage
from replai.report.plots import probe_bars

COLUMNS = ("verb_top1", "verb_top5", "noun_top1", "noun_top5")
Result = dict[str, dict[str, float]]


def write_probe(result: Result, out: str) -> None:
    """Writes OUT/probe.json and OUT/probe.png."""
    storage.write_bytes(
        storage.join(out, "probe.json"), (json.dumps(result, indent=1) + "\n").encode()
    )
    storage.write_bytes(storage.join(out, "probe.png"), probe_bars(result))


def print_table(result: Result, out: str) -> None:
    """Prints the accuracies in percent, a row an encoder."""
    table = Table(title="linear probe on held-out videos, accuracy in %")
    for column in ("encoder", *COLUMNS):
        table.add_column(column, justify="left" if column == "encoder" else "right")
    for name, figures in result.items():
        table.add_row(name, *(f"{figures[column]:.1f}" for column in COLUMNS))
    console = Console()
    console.print(table)
    console.print(f"written: {out}/probe.json, {out}/probe.png", highlight=False)
