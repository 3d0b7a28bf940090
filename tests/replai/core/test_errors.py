import subprocess
import sys

import pytest

from replai.core.errors import PeerLostError, SampleError, UserError, exits_cleanly


def failing(error: BaseException) -> None:
    raise error


def test_passes_arguments_and_results_through() -> None:
    @exits_cleanly
    def add(one: int, *, other: int) -> int:
        """Sum."""
        return one + other

    assert add(1, other=2) == 3
    assert add.__doc__ == "Sum."


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [(UserError("no such file: x"), 2, "error: no such file: x\n"),
     (PeerLostError("rank 0 is alone"), 75, "stopped: rank 0 is alone\n"),
     (KeyboardInterrupt(), 130, "interrupted\n")],
)  # fmt: skip
def test_trouble_of_the_user_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, text: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        exits_cleanly(failing)(error)
    assert caught.value.code == code
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize("error", [NameError("x"), MemoryError(), SampleError("s")])
def test_bugs_keep_their_traceback(error: BaseException) -> None:
    with pytest.raises(type(error)):
        exits_cleanly(failing)(error)


def test_in_a_process_of_its_own() -> None:
    code = (
        "from replai.core.errors import *\n"
        "@exits_cleanly\n"
        "def main():\n"
        "    try: 1 / 0\n"
        "    except ZeroDivisionError as error: raise UserError('bad root') from error\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: bad root\n")
