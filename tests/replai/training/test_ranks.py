"""Ranks without a trainer: their meeting place after a restart, where they begin, and peers that do
not answer."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from replai.core.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_LOST_PEER,
    UserError,
    exits_cleanly,
)
from replai.stream.worker import fork_server
from replai.training.ranks import is_lost_peer, joined_ranks, refuse_several_nodes, start_name

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


def test_what_one_rank_ends_alone_runs_on_one_node() -> None:
    refuse_several_nodes({})
    refuse_several_nodes({**AGENT, "GROUP_WORLD_SIZE": "1"})
    with pytest.raises(UserError, match="give torchrun --nnodes=1"):
        refuse_several_nodes({**AGENT, "GROUP_WORLD_SIZE": "2"})


def test_a_lost_peer_is_told_from_a_bug() -> None:
    assert is_lost_peer(
        RuntimeError("[…/gloo/transport/tcp/pair.cc:547] Connection closed by peer")
    )
    assert is_lost_peer(dist.DistNetworkError("Broken pipe"))
    assert not is_lost_peer(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_rank_without_a_gpu_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="than its 2 GPUs; start --nproc-per-node=2"):
        joined_ranks(1.0).__enter__()


class Ended(BaseException):
    """In place of the end of the process."""


@pytest.mark.parametrize(
    ("backend", "error", "does", "says"),
    [
        ("nccl", None, ["left"], ""),
        ("nccl", UserError("bad file"), [f"ended {EXIT_BAD_INPUT}"], "error: bad file\n"),
        ("nccl", dist.DistBackendError("gone"), [f"ended {EXIT_LOST_PEER}"], "stopped: rank 0"),
        ("nccl", ValueError("a bug"), ["ended 1"], "Traceback"),
        ("nccl", SystemExit(), ["ended 0"], ""),
        ("nccl", SystemExit("why"), ["ended 1"], "why\n"),
        ("nccl", KeyboardInterrupt(), [f"ended {EXIT_INTERRUPTED}"], "interrupted\n"),
        ("gloo", None, ["left"], ""),
        ("gloo", UserError("bad file"), ["left", "raised"], ""),
    ],
)
def test_nccls_group_is_left_after_success_alone(
    backend: str,
    error: BaseException | None,
    does: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After an error leaving it would wait for ranks that wait for this one."""
    done: list[str] = []

    def end(code: int) -> None:
        done.append(f"ended {code}")
        raise Ended

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_backend", lambda: backend)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: done.append("left"))
    monkeypatch.setattr(os, "_exit", end)
    try:
        with joined_ranks(1.0):
            if error:
                raise error
    except UserError:
        done.append("raised")
    except Ended:
        pass
    assert done == does
    assert capsys.readouterr().err.startswith(says)


SAYS = "rank 1 has a bad file"


@exits_cleanly
def meet_once(rank: int, port: int, folder: Path, ends: str, timeout_seconds: float) -> None:
    """A rank of two; the second one `ends` before they meet again."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": str(port)}  # fmt: skip
    sys.stderr = (folder / f"{rank}.txt").open("w")
    one = {"one": torch.ones(())}
    with joined_ranks(timeout_seconds) as ranks:
        assert ranks.agree("on this")
        assert not ranks.agree(f"on rank {rank}")
        if rank == 1 and ends == "UserError on NCCL":
            dist.get_backend = lambda: "nccl"
            dist.destroy_process_group = lambda: time.sleep(600)
        if rank == 1 and ends.startswith("UserError"):
            raise UserError(SAYS)
        if rank == 1:
            os.kill(os.getpid(), signal.Signals[ends])
        ranks.mean(one)


@pytest.mark.parametrize(
    ("ends", "timeout_seconds"),
    [("SIGKILL", 600), ("SIGSTOP", 3), ("UserError", 600), ("UserError on NCCL", 600)],
)
def test_a_rank_ends_by_itself_when_its_peer_has_ended_or_is_silent(
    ends: str, timeout_seconds: float, tmp_path: Path
) -> None:
    """As soon as it has ended: by its death, or by what it alone has met, as a bad init file."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = [
        fork_server().Process(target=meet_once, args=(rank, port, tmp_path, ends, timeout_seconds))
        for rank in (0, 1)
    ]
    for process in ranks:
        process.start()
    try:
        ranks[0].join(100)
        assert ranks[0].exitcode == EXIT_LOST_PEER
        (told,) = (tmp_path / "0.txt").read_text().splitlines()
        assert told.startswith("stopped: rank 0 has lost the other ranks: ")
        if ends.startswith("UserError"):
            ranks[1].join(100)
            assert ranks[1].exitcode == EXIT_BAD_INPUT
            assert (tmp_path / "1.txt").read_text() == f"error: {SAYS}\n"
    finally:
        for process in ranks:
            process.kill()
            process.join()


BUSY_END = """
import torch
import torch.distributed.nn.functional  # before ranks meet: its defaults would hold their group
from torch.nn.parallel import DistributedDataParallel

from replai.core.errors import UserError, exits_cleanly
from replai.training.ranks import joined_ranks

ONES = torch.ones(1_000_000)


class Busy(DistributedDataParallel):
    def __del__(self):
        self.process_group.allreduce([ONES])


def train(model):
    raise UserError("enough")


@exits_cleanly
def main():
    with joined_ranks(60):
        train(Busy(torch.nn.Linear(1, 1)))


main()
"""


def test_a_rank_ends_while_its_threads_are_still_at_a_collective(tmp_path: Path) -> None:
    """They need Python's lock to end, and a model that ends last would wait for them with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    files = [(tmp_path / f"{rank}.txt").open("w+") for rank in (0, 1)]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", BUSY_END],
            env={**os.environ, **meeting, "RANK": str(rank)},
            stderr=said,
        )
        for rank, said in enumerate(files)
    ]
    try:
        assert [process.wait(100) for process in ranks] == [EXIT_BAD_INPUT, EXIT_BAD_INPUT]
        assert [Path(said.name).read_text() for said in files] == ["error: enough\n"] * 2
    finally:
        for process, said in zip(ranks, files, strict=True):
            process.kill()
            process.wait()
            said.close()
