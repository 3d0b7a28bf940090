"""The floors of the house: imports point down only, and sharding needs no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
FLOORS = {
    "replai.core": 0,
    "replai.media": 1,
    "replai.models": 1,
    "replai.views": 1,
    "replai.checkpoint": 1,
    "replai.stream": 2,
    "replai.objectives": 2,
    "replai.weights": 2,
    "replai.training": 3,
    "replai.evaluation": 3,
    "replai.report": 3,
}
SIDEWAYS = {("replai.report", "replai.training")}
"""(from, to) on one floor: the page shows a run, so it reads the run's config and metrics."""
OF_SHARDER = {"replai.core", "replai.media"}
TORCH = {"torch", "torchvision", "torchaudio", "webdataset"}
WITHOUT_TORCH = ("replai.core", "replai.media", "sharder")


def modules(package: str) -> dict[str, Path]:
    """Dotted name → file of each module of `package`."""
    files = sorted((HOUSE / package.replace(".", "/")).rglob("*.py"))
    return {
        ".".join(file.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


def imported(file: Path) -> Iterator[str]:
    """Dotted names that `file` imports, at the top or within functions."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """`replai.stream` of `replai.stream.plan.order`."""
    return ".".join(name.split(".")[:2])


def crossings() -> set[tuple[str, str]]:
    """(from room, to room) of all imports within replai that leave their room."""
    pairs = {
        (room(name), room(other))
        for name, file in modules("replai").items()
        for other in imported(file)
        if other.split(".")[0] == "replai"
    }
    return {(here, there) for here, there in pairs if here != there}


def test_every_room_has_a_floor() -> None:
    assert {room(name) for name in modules("replai")} == {"replai", *FLOORS}
    assert ast.parse((HOUSE / "replai/__init__.py").read_text()).body[1:] == []


def test_imports_point_down() -> None:
    up = {(here, there) for here, there in crossings() if FLOORS[here] <= FLOORS[there]}
    assert up == SIDEWAYS


def test_replai_knows_no_sharder() -> None:
    for name, file in modules("replai").items():
        assert not {other for other in imported(file) if other.split(".")[0] == "sharder"}, name


def test_sharder_uses_core_and_media_only() -> None:
    rooms = {
        room(other)
        for file in modules("sharder").values()
        for other in imported(file)
        if other.split(".")[0] == "replai"
    }
    assert rooms == OF_SHARDER


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_no_torch_is_imported(package: str) -> None:
    assert modules(package)
    for name, file in modules(package).items():
        assert not {other for other in imported(file) if other.split(".")[0] in TORCH}, name


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("sharder.cli, sharder.pack, sharder.detect", {"matplotlib", "PIL"}),
        (", ".join(["replai.stream.decode", *modules("replai.media")]), {"matplotlib", "PIL"}),
        ("sharder.cli, sharder.pack, sharder.encode", {"scipy", "pandas"}),  # half a second each
        ("sharder.cli", {"numpy", "av"}),
    ],
)
def test_commands_import_what_they_need(modules: str, unwanted: set[str]) -> None:
    code = f"import sys, {modules}; print(*{unwanted!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_no_torch_is_loaded() -> None:
    names = [name for package in WITHOUT_TORCH for name in modules(package)]
    code = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        f"print(*sorted(set(sys.modules) & {TORCH}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
