"""Ranks without a trainer: their meeting place after a restart, and peers that do not answer."""

import os
import signal
import socket
import subprocess
import sys

import pytest
import torch.distributed as dist

from replai.core.errors import EXIT_LOST_PEER, UserError
from replai.training.ranks import is_lost_peer, start_name

AGENT = {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_MAX_RESTARTS": "1"}


def test_each_restart_meets_under_another_name() -> None:
    names = [start_name({**AGENT, "TORCHELASTIC_RESTART_COUNT": count}) for count in "01"]
    assert len(set(names)) == 2


def test_agents_that_count_for_themselves_meet_under_one_name() -> None:
    own = {**AGENT, "TORCHELASTIC_USE_AGENT_STORE": "False", "GROUP_WORLD_SIZE": "2"}
    names = [start_name({**own, "TORCHELASTIC_RESTART_COUNT": count}) for count in "01"]
    assert len(set(names)) == 1


def test_restarts_over_a_store_shared_by_several_nodes_are_refused() -> None:
    with pytest.raises(UserError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
        start_name({**AGENT, "GROUP_WORLD_SIZE": "2"})
    start_name({**AGENT, "GROUP_WORLD_SIZE": "2", "TORCHELASTIC_MAX_RESTARTS": "0"})


def test_a_lost_peer_is_told_from_a_bug() -> None:
    assert is_lost_peer(
        RuntimeError("[…/gloo/transport/tcp/pair.cc:547] Connection closed by peer")
    )
    assert is_lost_peer(dist.DistNetworkError("Broken pipe"))
    assert not is_lost_peer(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


MEETS_ONCE_THEN = """
import os, signal, sys, torch
from replai.core.errors import exits_cleanly
from replai.training.ranks import joined_ranks

@exits_cleanly
def main():
    with joined_ranks(float(sys.argv[2])) as ranks:
        one = {"one": torch.ones(())}
        assert ranks.agree("on this") and not ranks.agree(f"on rank {ranks.rank}")
        ranks.mean(one)
        if ranks.rank == 1:
            os.kill(os.getpid(), int(sys.argv[1]))
        ranks.mean(one)

main()
"""


@pytest.mark.parametrize(("by", "timeout_seconds"), [("SIGKILL", 600), ("SIGSTOP", 3)])
def test_a_rank_ends_by_itself_when_its_peer_is_dead_or_silent(
    by: str, timeout_seconds: float
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", MEETS_ONCE_THEN, str(int(signal.Signals[by])),
             str(timeout_seconds)],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": str(port)},
            stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        _, errors = ranks[0].communicate(timeout=100)
        assert ranks[0].returncode == EXIT_LOST_PEER
        assert errors.startswith("stopped: rank 0 has lost the other ranks: ")
        assert errors.count("\n") == 1
    finally:
        for rank in ranks:
            rank.kill()
            rank.communicate()
