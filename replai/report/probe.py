"""A probe's result: a table on screen, probe.json, probe.png and probe-classes.png."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from replai.core import storage
from replai.report.probe_pictures import (
    Fields,
    Result,
    class_dots,
    figure_names,
    probe_bars,
    title_of,
)

WIDTH = 120
"""Columns of a table that is printed into a file."""


def write_probe(result: Result, out: str) -> None:
    """Writes OUT/probe.json, OUT/probe.png and OUT/probe-classes.png."""
    data = (json.dumps(result, indent=1) + "\n").encode()
    storage.write_bytes(storage.join(out, "probe.json"), data)
    storage.write_bytes(storage.join(out, "probe.png"), probe_bars(result))
    storage.write_bytes(storage.join(out, "probe-classes.png"), class_dots(result))


def print_table(result: Result, out: str) -> None:
    """Prints the accuracies in percent, a row an encoder, with their intervals and protocol."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    names = figure_names(result)
    table = Table(title="linear probe on held-out data, accuracy in %", box=SIMPLE_HEAD)
    for column in ("encoder", *map(title_of, names)):
        table.add_column(column, justify="left" if column == "encoder" else "right")
    for row, fields in result.items():
        table.add_row(row, *(_cell(fields, name) for name in names))
    console.print(table)
    for line in (*protocol_lines(result), *unfinished_lines(result)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    told = f"written: {out}/probe.json, {out}/probe.png, {out}/probe-classes.png"
    console.print(told, highlight=False, markup=False, soft_wrap=True)


def _cell(fields: Fields, name: str) -> str:
    if name not in fields:
        return "–"
    interval = fields["intervals"][name]
    below = "{:.1f}–{:.1f}".format(*interval) if interval else ""
    return f"{fields[name]:.1f}\n[dim]{below}[/dim]"


def protocol_lines(result: Result) -> Iterator[str]:
    """How the figures were found: a line for each classifier, from its first row."""
    told: set[tuple[str, str]] = set()
    for fields in result.values():
        for what, protocol in fields.get("protocol", {}).items():
            if (what, protocol["classifier"]) not in told:
                yield f"{what}, {_protocol(what, protocol)}"
            told.add((what, protocol["classifier"]))


def unfinished_lines(result: Result) -> Iterator[str]:
    """The fits that were broken off before they had come to their end."""
    for row, fields in result.items():
        for what, said in fields.get("protocol", {}).items():
            fits = said["folds"].values() if what == "sounds" else [said]
            tasks = {t for one in fits for t, came in one.get("converged", {}).items() if not came}
            if tasks:
                yield (
                    f"{row}: {said['classifier']} did not come to its end for "
                    f"{', '.join(sorted(tasks))}; raise {said['classifier']}.max_iterations"
                )


def _protocol(what: str, said: Mapping[str, Any]) -> str:
    interval = said["interval"]
    how = _sounds(said) if what == "sounds" else _actions(said)
    return (
        f"{said['classifier']}: {how}; {said['average']} averaged over views; "
        f"{100 * interval['confidence']:g}% intervals over {interval['num_groups']} "
        f"{interval['over']}s"
    )


def _actions(said: Mapping[str, Any]) -> str:
    joined = f", {said['parts']} joined to a view" if said["parts"] > 1 else ""
    counts = f"{said['num_train']} to train on, {said['num_test']} to test"
    return f"{said['clips_per_action']} clips an action{joined}; {counts}"


def _sounds(said: Mapping[str, Any]) -> str:
    return f"{said['clips']} clips a sound; {said['num_sounds']} in {len(said['folds'])} folds"
