"""Probe a checkpoint: python probe.py --config configs/probe/X.yaml [key=value ...]

Freezes the video encoder, trains linear verb and noun heads on one dataset root and tests them on
another; a random encoder goes the same way beside it.
"""

from __future__ import annotations

import argparse

from replai.core.config import load_config
from replai.core.errors import exits_cleanly
from replai.evaluation.config import ProbeConfig
from replai.evaluation.probe import run_probe
from replai.report.probe import print_table, write_probe


@exits_cleanly
def main() -> None:
    """parse → build → run → close"""
    parser = argparse.ArgumentParser(description="Linear probe of a checkpoint's video encoder.")
    parser.add_argument("--config", required=True, help="a YAML file of configs/probe/")
    parser.add_argument("overrides", nargs="*", help="key=value, as in checkpoint=URL")
    arguments = parser.parse_args()
    config = load_config(ProbeConfig, arguments.config, arguments.overrides)
    result = run_probe(config)
    write_probe(result, config.out)
    print_table(result, config.out)


if __name__ == "__main__":
    main()
