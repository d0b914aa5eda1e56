"""The read-back itself: that it tells right from wrong is tested where it is used."""

import os
import random
import time

from supervisor.adapters import devices
from supervisor.messages import Phase
from supervisor.transfer import blocks, metainfo
from supervisor.transfer.crew import BLOCK
from supervisor.transfer.pacing import Brake, Pace
from supervisor.transfer.proving import Watch, read_back
from tests.unit.transfer.box import Box, never, quiet


def test_a_disk_that_spins_is_read_in_the_order_of_its_blocks_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """Two threads that take a lock in turns do not always take turns; the head would jump back and forth."""
    box = Box(tmp_path)
    torrent = box.add_single(12 * BLOCK + 5, piece_length=1 << 20)
    meta = metainfo.read(torrent.metafile, torrent.hash)
    monkeypatch.setattr(devices, "spins", lambda _descriptor: True)
    reading: list[int] = []
    offsets: list[int] = []
    real, uneven = blocks.read, random.Random(1)

    def read(descriptor: int, buffer: memoryview, offset: int, length: int, *, direct: bool) -> memoryview:
        reading.append(offset)
        assert len(reading) == 1
        time.sleep(uneven.random() / 50)  # for another thread to overtake this one, if it may
        offsets.append(offset)
        reading.remove(offset)
        return real(descriptor, buffer, offset, length, direct=direct)

    monkeypatch.setattr(blocks, "read", read)
    source = os.open(box.source, os.O_RDONLY)
    try:
        watch, wrong = Watch(quiet, never, Brake(Pace())), list[int]()
        read_back(meta, [(source, bytes(box.source))], [0], [(0, meta.count)], watch, Phase.PROVE, wrong.append)
    finally:
        os.close(source)
    assert not wrong
    assert offsets == [number * BLOCK for number in range(13)]
