import pytest

from supervisor.adapters.spelling import spelled
from supervisor.errors import ConfigurationError

LOST = "\ufffd".encode()


def told(text, real):
    return spelled(text, lambda _session, _hash: real, b"/session", "0" * 40)


@pytest.mark.parametrize(
    ("text", "real"),
    [
        (b"/ssd/caf?", b"/ssd/caf\xe9"),
        (b"/ssd/caf%E9", b"/ssd/caf\xe9"),
        (b"/ssd/100%E9", b"/ssd/100%E9"),
        (b"/a%20%E9", b"/a%20\xe9"),
        (b"/a\nb", b"/a\r\nb"),
        (b"/a\nb", b"/a\rb"),
        (b"/a?b", b"/a\x01b"),
        (b"/" + LOST + b"b", b"/\xf0\x9fb"),
        (b"/" + LOST * 3, b"/\xe9\xe9\xe9"),
        (b"/" + LOST, b"/" + LOST),
    ],
)
def test_what_was_changed_on_the_way_is_found_again(text, real):
    assert told(text, real) == real


@pytest.mark.parametrize(
    "real", [b"/hdd/caf\xe9", b"/ssd/caf", b"/ssd/caf\xe9\xe9", b"/ssd/caf\xe9/", b"/ssd/cat\xe9", b"", None]
)
def test_what_cannot_be_meant_is_not_believed(real):
    assert told(b"/ssd/caf?", real) == b"/ssd/caf?"


def test_a_session_that_may_not_be_read_spoils_nothing():
    def unreadable(_session, _hash):
        raise ConfigurationError("no")

    assert spelled(b"/ssd/caf?", unreadable, b"/session", "0" * 40) == b"/ssd/caf?"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("count", [80, 1300, 1_000_000])
def test_a_name_made_to_be_compared_for_ever_is_not(count):
    """One expression for the whole of it doubled its time with each character more: 25 of them took hours."""
    assert told(b"/" + LOST * count + b"a", b"/" + LOST * count + b"b") == b"/" + LOST * count + b"a"
