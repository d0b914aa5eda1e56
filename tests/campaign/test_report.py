import json

from tests.campaign import __main__, report


def test_the_page_says_what_the_figures_say():
    assert report.PAGE.read_text() == report.page(json.loads(report.FIGURES.read_text()))


def test_every_part_has_figures_and_words():
    words = report.page({})
    assert set(json.loads(report.FIGURES.read_text())) == set(__main__.PARTS)
    assert all(f"- **{part}**: " in words for part in __main__.PARTS)
