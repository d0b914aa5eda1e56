"""How many jobs a state has is counted as they change: what looking costs must not grow with the history."""

import itertools
import random
import time
from collections import Counter

import pytest

from supervisor.jobs import Event, Job, State
from supervisor.journal import Journal, JournalUnwritable, place
from tests.unit.office import a_hash


@pytest.fixture
def journal(tmp_path):
    journal = Journal(place(str(tmp_path)))
    yield journal
    journal.close()


def test_the_counts_are_those_of_the_jobs_whatever_is_written(journal):
    chance = random.Random(7)
    for _ in range(200):
        job = Job(a_hash(chance.randrange(30)), chance.choice(list(State)), 1.0, 1.0)
        journal.write([job, job])
    assert journal.counts() == Counter(job.state for job in journal.jobs(State))


def test_what_could_not_be_written_is_not_counted(journal):
    journal.write([Job(a_hash(1), State.SUBMITTED, 1.0, 1.0)])
    with pytest.raises(JournalUnwritable):
        journal.write([Job(a_hash(1), State.COPYING, 1.0, 1.0)], events=[Event(1.0, a_hash(1), None, "")])
    assert journal.counts() == {State.SUBMITTED: 1}


def test_a_job_is_read_as_it_was_written(journal):
    job = Job(
        a_hash(1),
        State.WAITING,
        1.5,
        2.5,
        3,
        4.5,
        "why",
        "na\N{ROCKET}me",
        "tv",
        1 << 40,
        True,
        b"/ssd/\xff",
        b"/hdd/'",
    )
    journal.write([job])
    assert journal.job(job.hash) == job
    journal.write([other := Job(a_hash(1), State.CANCELLED, 9.0, 9.5)])
    assert journal.job(job.hash) == other
    assert type(journal.job(job.hash).multi) is bool


def test_looking_at_a_long_history_costs_no_more_than_at_a_short_one(tmp_path):
    seconds = {}
    for length in (100, 50_000):
        (tmp_path / str(length)).mkdir()
        journal = Journal(place(str(tmp_path / str(length))))
        journal.write(Job(a_hash(n), State.RELOCATED if n % 20 else State.CACHED, 1.0, 1.0) for n in range(length))
        looks = []
        for _ in range(20):
            began = time.thread_time()
            journal.counts()
            journal.events(limit=8)
            list(itertools.islice(journal.jobs([State.FAILED], 5), 5))
            looks.append(time.thread_time() - began)
        seconds[length] = sorted(looks)[10]
        journal.close()
    assert seconds[50_000] < 5 * seconds[100] + 0.001
