"""`make demo`: the whole path on small data made here, each step the command a user would type.

world → detect → pack (train, test) → torchrun train.py → probe.py → report page, under demo/.
Run it again and finished steps are skipped.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

from replai.core.errors import exits_cleanly
from tools.seaweed import running_s3
from tools.steps import Steps, make_dataset, train


def run_demo(out: Path, data: str, seed: int, environment: dict[str, str]) -> None:
    """Everything, with shards below the URL `data` and all else below `out`."""
    steps = Steps("the demo", {"OMP_NUM_THREADS": "1", **environment})
    make_dataset(
        steps, out / "world", data,
        settings=["--train-videos", "128", "--test-videos", "32", "--seconds", "15",
                  "--width", "144", "--height", "108", "--seed", str(seed)],
        profile=["--short-side", "96", "--samples-per-shard", "20"],
    )  # fmt: skip
    train(
        steps, 2, "--config", "configs/demo.yaml", f"out={out / 'run'}", f"seed={seed}",
        f"data.root={data}/train", f"data.validation_root={data}/test",
    )  # fmt: skip
    steps.run(
        "python", "probe.py", "--config", "configs/probe/demo.yaml", f"out={out}",
        f"checkpoint={out / 'run' / 'checkpoint.pt'}",
        f"train_root={data}/train", f"test_root={data}/test",
    )  # fmt: skip
    steps.run(
        "python", "-m", "replai.report.page", "--run", str(out / "run"),
        "--probe", str(out / "probe.json"), "--data", f"{data}/test",
        "-o", str(out / "report.html"),
    )  # fmt: skip
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6  # Linux counts in kB
    print(
        f"\ndone in {steps.seconds:.0f} s, the largest process held {largest:.1f} GB; "
        f"open {out / 'report.html'}"
    )


@contextlib.contextmanager
def _store(kind: str, out: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(URL for the shards, environment that reaches it)."""
    if kind == "local":
        yield str(out / "data"), {}
        return
    with running_s3(out / "s3") as server:
        with contextlib.suppress(FileExistsError):
            server.make_bucket("demo")
        yield "s3://demo/data", server.environment


@exits_cleanly
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=("local", "s3"), default="local")
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--seed", type=int, default=0, help="another world and other weights")
    arguments = parser.parse_args()
    with _store(arguments.store, arguments.out) as (data, environment):
        run_demo(arguments.out, data, arguments.seed, environment)


if __name__ == "__main__":
    main()
