"""A node that is gone, agent and rank: torchrun's own restart goes on with those that are left."""

import socket
from pathlib import Path

import pytest

from tests.replai.training.jobs import train_job
from tests.replai.training.test_elastic import assert_one_rank_went_on, elastic_run

# Starts torch four times over, on what may be a slow machine.
pytestmark = pytest.mark.timeout(280)

LAST_CALL_SECONDS = 6
"""How long one agent waits for another to join: at the start, and once the other is gone."""


def node(port: int, *, is_host: bool) -> list[str]:
    """How torchrun is started on each of one or two nodes; that of the host must live on."""
    return [
        "-m", "torch.distributed.run", "--nnodes=1:2", "--nproc-per-node=1", "--max-restarts=1",
        "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=test",
        "--local-addr=127.0.0.1",
        f"--rdzv-conf=is_host={is_host},last_call_timeout={LAST_CALL_SECONDS},"
        "keep_alive_interval=1,keep_alive_max_attempt=3",
    ]  # fmt: skip


def test_the_rank_that_is_left_goes_on_alone_under_the_same_torchrun(
    small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    config = elastic_run(small_root, tmp_path / "run")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        train_job(config, tmp_path / "head", *node(port, is_host=True)) as head,
        train_job(config, tmp_path / "other", *node(port, is_host=False)) as other,
    ):
        head.wait_for_step(5)
        other.kill_node()
        assert head.exit_code() == 0, head.output.read_text()
        for job in (head, other):
            job.assert_nothing_is_left()
    assert_one_rank_went_on(config, head)
