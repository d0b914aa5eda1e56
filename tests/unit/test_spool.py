import os

import pytest

from supervisor import spool

HASH = "0123456789ABCDEF0123456789ABCDEF01234567"
NAME = f"{HASH}.finished"


@pytest.fixture
def state(tmp_path):
    os.mkdir(spool.directory(str(tmp_path)))
    return str(tmp_path)


def plant(state, kind):
    place = os.path.join(spool.directory(state), NAME)
    match kind:
        case "symlink":
            os.symlink("/etc/passwd", place)
        case "FIFO":
            os.mkfifo(place)
        case "directory":
            os.mkdir(place)
        case "full directory":
            os.makedirs(os.path.join(place, "x"))


@pytest.mark.parametrize("kind", ["symlink", "FIFO", "directory", "full directory"])
def test_the_name_is_the_message_whatever_is_called_so(state, kind):
    """A hook finds it there, and takes its submission for made: so it must be read as one."""
    plant(state, kind)
    spool.write(state, HASH, "finished")
    assert spool.scan(state) == ([(NAME, HASH, "finished")], [])


@pytest.mark.parametrize("kind", ["symlink", "FIFO", "directory"])
def test_what_was_planted_is_discarded_itself(state, kind):
    plant(state, kind)
    assert spool.discard(state, [NAME, "gone.finished"]) == []
    assert os.listdir(spool.directory(state)) == []
    assert os.path.exists("/etc/passwd")


def test_what_cannot_be_removed_is_named_and_the_others_go(state):
    """It ended the supervisor, and did so again at each start."""
    plant(state, "full directory")
    other = f"{'A' * 40}.finished"
    spool.write(state, "A" * 40, "finished")
    assert spool.discard(state, [NAME, other]) == [NAME]
    assert os.listdir(spool.directory(state)) == [NAME]
