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


def names(state):
    return os.listdir(spool.directory(state))


def take(state):
    entries, _ = spool.scan(state)
    return spool.take(state, entries)


@pytest.mark.parametrize("kind", ["symlink", "FIFO"])
def test_the_name_is_the_message_whatever_is_called_so(state, kind):
    """A hook finds it there, and takes its submission for made: so it must be read as one."""
    plant(state, kind)
    spool.write(state, HASH, "finished")
    assert spool.scan(state) == ([(NAME, HASH, "finished")], [])


@pytest.mark.parametrize("kind", ["symlink", "FIFO"])
def test_what_was_planted_is_discarded_itself(state, kind):
    plant(state, kind)
    [(taken, *_)], _ = take(state)
    assert spool.discard(state, [taken, "gone.finished.taken"]) == []
    assert names(state) == []
    assert os.path.exists("/etc/passwd")


def test_a_directory_is_no_entry_and_a_submission_of_that_name_fails(state):
    """One ended the supervisor, and did so again at each start."""
    os.makedirs(os.path.join(spool.directory(state), NAME, "x"))
    with pytest.raises(FileExistsError):
        spool.write(state, HASH, "finished")
    assert spool.scan(state) == ([], [NAME])


def test_what_is_submitted_after_an_entry_was_taken_is_another_entry(state):
    spool.write(state, HASH, "finished")
    assert take(state) == ([(f"{NAME}.taken", HASH, "finished")], [])
    spool.write(state, HASH, "finished")
    assert sorted(names(state)) == [NAME, f"{NAME}.taken"]
    assert take(state) == ([(f"{NAME}.taken", HASH, "finished")], [])  # joined: nothing of it was read
    assert names(state) == [f"{NAME}.taken"]


def test_an_entry_that_was_taken_and_not_read_is_found_again(state):
    """The supervisor was killed between the two."""
    spool.write(state, HASH, "finished")
    take(state)
    assert spool.waits(state, HASH, "finished")
    assert take(state) == ([(f"{NAME}.taken", HASH, "finished")], [])
    spool.discard(state, [f"{NAME}.taken"])
    assert not spool.waits(state, HASH, "finished")


def test_what_cannot_be_taken_or_removed_is_named_and_the_others_go_on(state):
    other = f"{'A' * 40}.finished"
    os.makedirs(os.path.join(spool.directory(state), f"{NAME}.taken"))  # in the way of the rename
    spool.write(state, HASH, "finished")
    spool.write(state, "A" * 40, "finished")
    assert take(state) == ([(f"{other}.taken", "A" * 40, "finished")], [NAME])
    assert spool.discard(state, [f"{NAME}.taken", f"{other}.taken"]) == [f"{NAME}.taken"]
    assert sorted(names(state)) == [NAME, f"{NAME}.taken"]
    assert spool.waits(state, HASH, "finished")
