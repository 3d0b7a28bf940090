"""CPU seconds and memory of a process and all its descendants, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def tree_cpu_seconds(root: int) -> float:
    """CPU seconds, user and system, of process `root`, its descendants and those it outlived."""
    return sum(_cpu_ticks(pid) for pid in tree(root)) / _TICKS_PER_SECOND


def descendants_pss_megabytes(root: int) -> dict[int, float]:
    """Proportional set size, in 10^6 bytes, of each descendant of `root` (not of itself)."""
    sizes = {pid: _pss_bytes(pid) / 1e6 for pid in tree(root) if pid != root}
    return {pid: size for pid, size in sizes.items() if size}


def tree(root: int) -> list[int]:
    """`root` and its descendants that live."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (fields := _stat_fields(int(folder.name))):
            yield int(folder.name), int(fields[1])


def _cpu_ticks(pid: int) -> int:
    """utime, stime, and those of children that ended and were waited for."""
    return sum(int(field) for field in _stat_fields(pid)[11:15])


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name, which may hold spaces."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended meanwhile
        return []


def _pss_bytes(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
