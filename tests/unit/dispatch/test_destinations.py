"""Where a torrent's copy goes: on which HDD, and in which directory there."""

from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from supervisor.dispatch import destinations
from supervisor.dispatch.destinations import Root, Rules, check, root_of
from supervisor.errors import NoRoom, Refused

ROOT = b"/srv/hdd"
MAY = date(2024, 5, 31)


@dataclass(frozen=True)
class Seen:
    """What rTorrent says of a torrent: the part that a destination depends on."""

    label: str = "tv"
    multi: bool = False
    directory: bytes = b"/ssd"
    size: int = 100
    tracker: str = "tracker.example.org"


def decide(root, label, multi, name, template="{label}"):
    """On the one HDD there is, which has room."""
    seen = Seen(label, multi, b"/ssd/" + name)
    return destinations.decide(seen, MAY, Rules(template), [Root(root, 1000.0)], lambda _path: False)


def chosen(*roots, rules=None, there=(), **seen):
    """On one of several."""
    return destinations.decide(Seen(**seen), MAY, rules or Rules("{label}"), roots, lambda path: path in there)


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


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a\0b", b"x" * 256, b".seedcache-x"])
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


TEMPLATES = st.sampled_from(["", "{label}", "{tracker}/{label}", "a{label}", ".{label}", "{year}-{month}/{label}/x"])


@given(LABELS, st.booleans(), NAMES, TEMPLATES)
@example(label="../../etc", multi=True, name=b"passwd", template="{label}")
@example(label="../hdd2", multi=True, name=b"x", template="{label}")
@example(label=".", multi=False, name=b"x", template=".{label}")
def test_whatever_the_label_and_the_name_the_result_is_inside_the_root(label, multi, name, template):
    check(template)
    try:
        result = decide(ROOT, label, multi=multi, name=name, template=template)
    except Refused:
        return
    root, parts = ROOT.split(b"/"), result.split(b"/")
    assert parts[: len(root)] == root
    inside = parts[len(root) :]
    assert len(inside) > 0 or (not multi and (label == "" or template == ""))
    assert not {b"", b".", b".."} & set(inside)
    assert not any(b"\0" in part or len(part) > 255 or part.startswith(b".seedcache-") for part in inside)
    if multi:
        assert inside[-1] == name.rpartition(b"/")[2]


# -- templates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "label", "directory"),
    [
        ("", "tv", b"/srv/hdd"),
        ("media/{label}", "tv", b"/srv/hdd/media/tv"),
        ("{label}/{year}", "tv/hd", b"/srv/hdd/tv/hd/2024"),
        ("{label}/{year}", "", b"/srv/hdd/2024"),  # an empty value names no directory
        ("{year}-{month}", "tv", b"/srv/hdd/2024-05"),
        ("{tracker}", "tv", b"/srv/hdd/tracker.example.org"),
        ("of {label}", "tv", b"/srv/hdd/of tv"),
    ],
)
def test_a_template_names_the_directories(template, label, directory):
    check(template)
    assert decide(ROOT, label, multi=False, name=b"x", template=template) == directory


@pytest.mark.parametrize("template", ["{name}", "{", "a}", "{label", "{}", "a//b", "../x", "a/./b", "{label}\0", "a/"])
def test_what_is_no_template_is_said(template):
    with pytest.raises(ValueError, match=r"field|brace|directory"):
        check(template)


@pytest.mark.parametrize("tracker", ["..", "a/..", "x\ny", "\ud800", ".seedcache-x", "x" * 256])
def test_a_tracker_that_cannot_name_a_directory_is_refused(tracker):
    with pytest.raises(Refused, match=r"tracker.*cannot be a directory"):
        chosen(Root(ROOT, 1000.0), rules=Rules("{tracker}"), tracker=tracker)


def test_a_label_may_have_a_template_of_its_own_and_an_hdd():
    one, two = Root(b"/hdd1", 1000.0), Root(b"/hdd2", 10.0)
    rules = Rules("{label}", (("films", "/hdd2/movies/{year}"), ("books", "paper"), ("root", "/hdd1")))
    assert chosen(one, two, rules=rules, label="books") == b"/hdd1/paper"
    assert chosen(one, two, rules=rules, label="films", size=5) == b"/hdd2/movies/2024"
    assert chosen(one, two, rules=rules, label="root") == b"/hdd1"
    with pytest.raises(NoRoom, match="/hdd2"):
        chosen(one, two, rules=rules, label="films")
    with pytest.raises(Refused, match="FINAL_DEST_BASE_HDD"):
        chosen(one, rules=rules, label="films")


# -- several HDDs ------------------------------------------------------------------------------------------------------

SMALL, LARGE, FULL = Root(b"/small", 200.0), Root(b"/large", 300.0), Root(b"/full", -5.0)
AWAY = Root(b"/away", 999.0, there=False)


def test_the_rule_chooses_among_those_with_room():
    assert chosen(FULL, SMALL, LARGE, AWAY) == b"/large/tv"
    assert chosen(FULL, SMALL, LARGE, AWAY, rules=Rules("{label}", (), "first-fit")) == b"/small/tv"
    assert chosen(SMALL, LARGE, rules=Rules("{label}", (), "first-fit"), size=250) == b"/large/tv"


def test_a_label_stays_on_the_hdd_that_has_its_directory_while_there_is_room():
    rules = Rules("{year}/{label}/{month}", (), "with-label")
    there = {b"/small/2024/tv"}
    assert chosen(SMALL, LARGE, rules=rules, there=there) == b"/small/2024/tv/05"
    assert chosen(SMALL, LARGE, rules=rules, there=there, size=250) == b"/large/2024/tv/05"
    assert chosen(SMALL, LARGE, rules=rules) == b"/large/2024/tv/05"
    assert chosen(SMALL, LARGE, rules=Rules("all", (), "with-label"), there=there) == b"/large/all"


def test_one_that_fits_nowhere_waits_and_the_reason_says_what_is_lacking_where():
    with pytest.raises(NoRoom, match=r"none of the HDDs: 1.00 GiB more must be free on /large") as caught:
        chosen(FULL, SMALL, LARGE, AWAY, size=300 + 2**30)
    assert caught.value.lacking == 2**30


def test_the_only_hdd_is_the_place_also_while_it_is_away_and_of_several_one_must_be_there():
    assert chosen(AWAY) == b"/away/tv"
    with pytest.raises(NoRoom, match="none of the HDDs is mounted"):
        chosen(AWAY, Root(b"/gone", 1.0, there=False))


@given(
    st.lists(
        st.builds(Root, st.sampled_from([b"/a", b"/b", b"/c"]), st.floats(-10, 1000)),
        min_size=1,
        unique_by=lambda r: r.path,
    ),
    st.integers(0, 1000),
    st.sampled_from(destinations.CHOICES),
)
def test_no_hdd_is_promised_more_than_it_has(roots, size, rule):
    try:
        result = chosen(*roots, rules=Rules("{label}", (), rule), size=size)
    except NoRoom:
        assert all(root.room < size for root in roots)
        return
    root = next(root for root in roots if root.path == root_of(result, [root.path for root in roots]))
    assert root.room >= size


def test_a_path_is_on_the_root_that_it_is_below_component_by_component():
    roots = [b"/hdd", b"/hdd2/"]
    assert root_of(b"/hdd/x", roots) == b"/hdd"
    assert root_of(b"/hdd2/x", roots) == b"/hdd2/"
    assert root_of(b"/hdd", roots) == b"/hdd"
    assert root_of(b"/hdd3/x", roots) is None
    assert root_of(b"", roots) is None
