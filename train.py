"""Train on a dataset root: python train.py --config configs/X.yaml [key=value ...]

Runs as one process, or as the ranks of torchrun. A run whose folder holds a checkpoint continues.
"""

from __future__ import annotations

import argparse

from replai.core.errors import exits_cleanly
from replai.stream.worker import fork_server


@exits_cleanly
def main() -> None:
    """parse → build → run → close"""
    parser = argparse.ArgumentParser(description="Train encoders on a dataset root.")
    parser.add_argument("--config", required=True, help="a YAML file of configs/")
    parser.add_argument("overrides", nargs="*", help="key=value, as in optim.learning_rate=0.01")
    arguments = parser.parse_args()
    fork_server()  # the decode processes' imports run beside those that follow
    from replai.core.config import load_config
    from replai.training.claim import claimed
    from replai.training.config import RunConfig
    from replai.training.ranks import joined_ranks
    from replai.training.trainer import Trainer

    config = load_config(RunConfig, arguments.config, arguments.overrides)
    timeout = config.rank_timeout_seconds
    with joined_ranks(timeout) as ranks, claimed(config.folder, ranks, timeout):
        Trainer(config, ranks).train()


if __name__ == "__main__":
    main()
