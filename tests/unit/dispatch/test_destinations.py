import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from supervisor.dispatch.destinations import decide
from supervisor.errors import Refused

ROOT = b"/srv/hdd"


def test_a_directory_of_files_gets_its_own_directory_below_the_label():
    assert decide(ROOT, "tv", multi=True, name=b"Show S01") == b"/srv/hdd/tv/Show S01"


def test_a_single_file_lies_in_the_directory_of_the_label():
    assert decide(ROOT, "tv", multi=False, name=b"film.mkv") == b"/srv/hdd/tv"


def test_without_a_label_the_root_is_the_parent():
    assert decide(ROOT, "", multi=False, name=b"film.mkv") == ROOT
    assert decide(ROOT, "", multi=True, name=b"Show") == b"/srv/hdd/Show"


def test_slashes_in_the_label_are_directories_and_a_backslash_is_a_character():
    assert decide(ROOT, "tv/hd", multi=False, name=b"x") == b"/srv/hdd/tv/hd"
    assert decide(ROOT, "tv\\hd", multi=False, name=b"x") == b"/srv/hdd/tv\\hd"


def test_a_label_is_taken_as_it_is_so_that_it_is_decoded_once_only():
    assert decide(ROOT, "50%2Foff", multi=False, name=b"x") == b"/srv/hdd/50%2Foff"
    assert decide(ROOT, "%2e%2e", multi=False, name=b"x") == b"/srv/hdd/%2e%2e"


def test_a_label_that_was_no_utf_8_keeps_its_bytes():
    assert decide(ROOT, "caf\udce9", multi=False, name=b"x") == b"/srv/hdd/caf\xe9"


def test_the_name_of_a_single_file_does_not_matter():
    assert decide(ROOT, "films", multi=False, name=b"") == b"/srv/hdd/films"


def test_the_root_may_be_given_with_a_slash_at_the_end_or_be_the_root_directory():
    assert decide(b"/srv/hdd/", "tv", multi=True, name=b"x") == b"/srv/hdd/tv/x"
    assert decide(b"/", "", multi=False, name=b"x") == b"/"
    assert decide(b"/", "", multi=True, name=b"x") == b"/x"


def test_the_raw_name_is_never_stripped_nor_decoded():
    for name in (b" both ", b"\xff\xfe", b"100%20", b"-rf", b"tab\t", b"new\nline"):
        assert decide(ROOT, "tv", multi=True, name=name) == b"/srv/hdd/tv/" + name


@pytest.mark.parametrize(
    "label",
    [
        "../../outside",
        "tv/../../x",
        "..",
        ".",
        "tv/./x",
        "/etc",
        "tv//hd",
        "tv/",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\x9bb",
        "x" * 256,
        "é" * 128,
        ".seedcache-x",
        "tv/.seedcache-0123.partial",
        "\ud800",
    ],
)
def test_a_label_that_is_no_directory_below_the_root_is_refused_by_name_with_the_remedy(label):
    with pytest.raises(Refused) as caught:
        decide(ROOT, label, multi=True, name=b"x")
    assert repr(label) in str(caught.value)
    assert "another label" in str(caught.value)


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"../x", b"a\0b", b"x" * 256, b".seedcache-x"])
def test_a_name_that_cannot_name_a_directory_is_refused(name):
    with pytest.raises(Refused, match="name"):
        decide(ROOT, "tv", multi=True, name=name)


LABELS = st.one_of(
    st.text(),
    st.text(alphabet="./%2eEfF\\a \0\n", max_size=12),
    st.lists(st.sampled_from(["..", ".", "", "a", "%2e%2e", "%2F", "~", ".seedcache-"]), max_size=6).map("/".join),
)
NAMES = st.one_of(
    st.binary(max_size=300), st.lists(st.sampled_from([b".", b"/", b"a", b"\0"]), max_size=4).map(b"".join)
)


@given(LABELS, st.booleans(), NAMES)
@example(label="../../etc", multi=True, name=b"passwd")
@example(label="../hdd2", multi=True, name=b"x")
def test_whatever_the_label_and_the_name_the_result_is_inside_the_root(label, multi, name):
    try:
        result = decide(ROOT, label, multi=multi, name=name)
    except Refused:
        return
    root, parts = ROOT.split(b"/"), result.split(b"/")
    assert parts[: len(root)] == root
    inside = parts[len(root) :]
    assert len(inside) > 0 or (not multi and label == "")
    assert not {b"", b".", b".."} & set(inside)
    assert not any(b"\0" in part or len(part) > 255 or part.startswith(b".seedcache-") for part in inside)
    if multi:
        assert inside[-1] == name
