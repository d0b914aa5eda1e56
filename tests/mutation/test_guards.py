"""The table of guards is true: each text stands where the table says, once, and each test it names is there."""

import ast
from pathlib import Path

import pytest

from tests.mutation.guards import GUARDS
from tests.support.needs import ROOT


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_the_table_says_and_its_tests_are_there(guard):
    source = Path(ROOT, guard.file).read_text()
    assert source.count(guard.text) == 1, "it was changed: change its row too, and run script/mutate-guards --only"
    ast.parse(source.replace(guard.text, guard.instead))
    for name in guard.tests:
        file, _, function = name.partition("::")
        assert not function or f"def {function}(" in Path(ROOT, file).read_text()
        assert Path(ROOT, file).is_file()


def test_no_guard_is_listed_twice():
    assert len({guard.name for guard in GUARDS}) == len({(guard.file, guard.text, guard.instead) for guard in GUARDS})
