"""The guards: where each stands, word for word, what is put in its place, and which tests must notice.

A text that is not found, or found twice, fails the run and the suite: whoever changes a guard changes its row.
"""

from typing import NamedTuple


class Guard(NamedTuple):
    """One guard."""

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]


_T, _A, _D = "supervisor/transfer/", "supervisor/adapters/", "supervisor/dispatch/"
_DELIVERY = "tests/integration/test_delivery.py::"
_SYSTEMS = "tests/integration/test_delivery_filesystems.py::"
_SWITCHING = "tests/integration/test_switching.py::"
_REMOVING = "tests/unit/transfer/test_removing.py"
_DURABLE = "tests/unit/transfer/test_durability.py"
_FILES = "tests/unit/adapters/test_files.py"
_DISPATCHER = "tests/unit/dispatch/test_dispatcher.py"

GUARDS = (
    # -- prove, then delete --
    Guard(
        "read-back before publishing", _T + "delivery.py",
        "            self._prove(filling.trees, survey, filling.touched(), cloned=cloned)\n", "            pass\n",
        (_SYSTEMS + "test_bytes_that_are_wrong_on_the_device_are_found_although_the_page_cache_has_them_right",),
    ),
    Guard(
        "a wrong piece is told", _T + "stream.py",
        "            self._wrong(self._piece)\n", "            pass\n",
        (_DELIVERY + "test_a_wrong_byte_on_the_ssd_is_named_and_nothing_is_published",),
    ),
    Guard(
        "a copy that was not read back is not relocated", _D + "scheduler.py",
        "            if job.proof is Proof.READ_BACK:  #", "            if True:  #",
        (_DISPATCHER, "tests/integration/test_copying.py"),
    ),
    Guard(
        "what an adopted copy is, is proven", _T + "delivery.py",
        "        self._prove([final, final], survey, [(0, self.meta.count)])\n", "        pass\n",
        (_DELIVERY + "test_a_foreign_file_of_equal_size_is_refused_and_stays",),
    ),
    Guard(
        "size of the HDD copy before removal", _T + "removing.py",
        "    if not files.regular(copy) or copy.st_size != file.size:\n", "    if not files.regular(copy):\n",
        (_REMOVING,),
    ),
    Guard(
        "size and kind of the SSD file before removal", _T + "removing.py",
        "    if not files.regular(info) or info.st_size != file.size:\n", "    if False:\n",
        (_REMOVING,),
    ),
    Guard(
        "the SSD file is looked at again after the confirmation", _T + "removing.py",
        "            info = _original(file, originals)  # rTorrent took its time\n", "            pass\n",
        (_REMOVING,),
    ),
    Guard(
        "the SSD file itself under another name is no copy", _T + "removing.py",
        "    if os.path.samestat(copy, original):\n", "    if False:\n",
        (_REMOVING,),
    ),
    Guard(
        "confirmation before the first unlink", _T + "removing.py",
        "            confirm()\n", "            pass\n",
        (_REMOVING,),
    ),
    Guard(
        "what other torrents use stays", _T + "removing.py",
        "        if info is not None and file.path in stay:\n", "        if info is not None and False:\n",
        (_REMOVING,),
    ),
    Guard(
        "switching.confirm is what the space worker confirms by", "supervisor/workers/space.py",
        "        switching.confirm(rtorrent, task.hash, task.destination)\n", "        pass\n",
        ("tests/unit/workers/test_space.py",),
    ),
    Guard(
        "confirm asks rTorrent where it has it", _T + "switching.py",
        '    if torrent.directory != destination:\n        against = f"rTorrent', '    if False:\n        against = f"rTorrent',
        ("tests/unit/workers/test_space.py", _SWITCHING + "test_a_torrent_that_the_session_does_not_have_on_the_hdd_is_not_confirmed"),
    ),
    Guard(
        "confirm asks the session on disk", _T + "switching.py",
        "    elif (saved := rtorrent.resume_directory(info_hash)) != destination:\n",
        '    elif saved := b"":\n',
        (_SWITCHING + "test_a_torrent_that_the_session_does_not_have_on_the_hdd_is_not_confirmed",),
    ),
    Guard(
        "session poll after the switch", _T + "switching.py",
        "    while rtorrent.resume_directory(torrent.hash) != destination:\n", "    while False:\n",
        (_SWITCHING + "test_a_session_that_cannot_be_saved_leaves_both_copies_and_says_so",),
    ),
    # -- rTorrent --
    Guard(
        "hashing guard within rTorrent", _A + "rtorrent.py",
        '[("branch", info_hash, guard, f"cat={_BUSY}", _string(command))',
        '[("branch", info_hash, "cat=", f"cat={_BUSY}", _string(command))',
        ("tests/unit/adapters/test_rtorrent.py",),
    ),
    Guard(
        "no switch of one that is being hashed or not complete", _T + "switching.py",
        "    if torrent.hashing or not torrent.complete or torrent.meta:\n", "    if False:\n",
        (_SWITCHING + "test_a_torrent_that_is_being_hashed_is_left_alone",),
    ),
    Guard(
        "the copy's layout before the switch", _T + "switching.py",
        "    check_layout(destination, files)\n    began", "    began",
        (_SWITCHING + "test_a_copy_that_is_not_whole_is_refused_before_the_switch",),
    ),
    Guard(
        "ten seconds of rest between two switches", _T + "switching.py",
        "    _rest(torrent, began)\n", "    pass\n",
        (_SWITCHING + "test_one_torrent_is_not_switched_twice_within_ten_seconds",),
    ),
    # -- only what is ours --
    Guard(
        "no symlink on the way to a directory", _A + "files.py",
        "DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
        (_FILES, _REMOVING),
    ),
    Guard(
        "no file through a symlink", _A + "files.py",
        "        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK", "        flags |= os.O_CLOEXEC | os.O_NONBLOCK",
        (_FILES,),
    ),
    Guard(
        "a FIFO is not waited for", _A + "files.py",
        "        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK", "        flags |= os.O_NOFOLLOW | os.O_CLOEXEC",
        ("tests/attack/test_planted.py",),
    ),
    Guard(
        "the source is an ordinary file", _T + "surveying.py",
        "    if not files.regular(info):\n        name = files.show(directories.join(file.path))\n        raise Refused(",
        "    if False:\n        name = files.show(directories.join(file.path))\n        raise Refused(",
        ("tests/attack/test_planted.py",),
    ),
    Guard(
        "paths stay beneath their root", _A + "files.py",
        '    if not path.startswith(b"/") or parts[: len(top)] != top or any(part in (b"", b".", b"..") for part in rest):\n',
        "    if False:\n",
        (_FILES,),
    ),
    Guard(
        "names in a metafile stay where they are", _T + "metainfo.py",
        '    if value in (b"", b".", b"..") or b"/" in value or b"\\0" in value:\n', "    if False:\n",
        ("tests/unit/transfer/test_metainfo.py",),
    ),
    Guard(
        "a metafile is the torrent's", _T + "metainfo.py",
        "    if found != expected_hash:\n", "    if False:\n",
        ("tests/unit/transfer/test_metainfo.py",),
    ),
    Guard(
        "mount identity", _A + "files.py",
        "    if not mounts.same(place.filesystem, mounts.identity(descriptor)):\n", "    if False:\n",
        (_FILES, _REMOVING),
    ),
    Guard(
        "a foreign file of another kind or size", _T + "surveying.py",
        "            raise foreign(directories.join(file.path))\n", "            continue\n",
        (_DELIVERY + "test_a_foreign_thing_at_a_final_name_is_refused_before_anything_is_copied",),
    ),
    Guard(
        "a foreign file of the same size", _T + "delivery.py",
        "            if stands is not None:\n                raise stands\n", "            return\n",
        (_DELIVERY + "test_a_foreign_file_of_equal_size_is_refused_and_stays",),
    ),
    Guard(
        "RENAME_NOREPLACE", _A + "syscalls.py",
        "RENAME_NOREPLACE = 1", "RENAME_NOREPLACE = 0",
        (_FILES, _DELIVERY + "test_a_file_that_appears_at_a_final_name_during_the_copy_is_not_replaced"),
    ),
    Guard(
        "what links stood in a partial is not written to", _T + "surveying.py",
        "    if not files.regular(info) or info.st_nlink != 1:\n", "    if not files.regular(info):\n",
        (_DELIVERY + "test_whatever_the_partial_holds_the_copy_comes_out_right", "tests/attack/test_planted.py"),
    ),
    Guard(
        "the mode of a partial's file is changed, not of what a link leads to", _T + "surveying.py",
        "        if not files.regular(os.fstat(descriptor)):\n            raise OSError(errno.ELOOP", "        if False:\n            raise OSError(errno.ELOOP",
        ("tests/attack/test_planted.py",),
    ),
    Guard(
        "a torrent is not called as a partial", _T + "delivery.py",
        "        if self.meta.name.startswith(_OURS):", "        if False:",
        (_DELIVERY + "test_a_torrent_cannot_take_the_name_of_a_partial",),
    ),
    Guard(
        "the state is ours alone", _A + "premises.py",
        "    if problem:\n        raise", "    if False:\n        raise",
        ("tests/unit/adapters/test_premises.py",),
    ),
    Guard(
        "our small files are made anew", _A + "durable.py",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC", "os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC",
        ("tests/attack/test_planted.py",),
    ),
    Guard(
        "a planted temporary is taken away", _A + "durable.py",
        "        os.unlink(temporary)\n", "        pass\n",
        ("tests/unit/adapters/test_durable.py",),
    ),
    # -- one at a time --
    Guard(
        "flock on the partial", _T + "surveying.py",
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n", "        pass\n",
        (_DELIVERY + "test_two_processes_never_copy_one_torrent_at_once",),
    ),
    Guard(
        "filelock", _A + "locks.py",
        "        lock.acquire()\n", "        pass\n",
        ("tests/unit/adapters/test_locks.py",),
    ),
    Guard(
        "a lock is a file", _A + "locks.py",
        "        if not stat.S_ISREG(os.lstat(path).st_mode):\n", "        if False:\n",
        ("tests/unit/adapters/test_locks.py",),
    ),
    Guard(
        "the space worker works under a lock", "supervisor/workers/space.py",
        "        with locks.hold(lock):\n", "        if lock:\n",
        ("tests/unit/workers/test_space.py",),
    ),
    Guard(
        "one supervisor on one state", "supervisor/arbiter.py",
        '    with locks.hold(os.path.join(settings.state_dir, "run", "supervisor.lock")):\n', "    if True:\n",
        ("tests/faults/test_kills.py::test_a_second_one_on_the_same_state_directory_is_refused_and_does_no_harm",),
    ),
    Guard(
        "token of an answer", _D + "crew.py",
        "        if member is None or member.task is None or member.task.token != token:\n",
        "        if member is None or member.task is None:\n",
        (_DISPATCHER,),
    ),
    Guard(
        "token of a task that was done", "supervisor/workers/loop.py",
        "            if last is None or task.token != last.token:\n", "            if True:\n",
        ("tests/unit/workers/test_loop.py",),
    ),
    # -- nothing is lost --
    Guard(
        "fsync of the spool", "supervisor/spool.py",
        "        os.fsync(handle)\n", "        pass\n",
        ("tests/unit/test_hook_script.py",),
    ),
    Guard(
        "an entry is taken before it is read", "supervisor/spool.py",
        "        if name != own:\n", "        if False:\n",
        ("tests/unit/test_spool.py",),
    ),
    Guard(
        "a disk that did not answer is asked nothing more", _A + "patience.py",
        "        if before is not None and not before.is_set():\n", "        if False:\n",
        ("tests/unit/adapters/test_patience.py",),
    ),
    Guard(
        "the journal is on stable storage", "supervisor/journal.py",
        "PRAGMA synchronous=FULL", "PRAGMA synchronous=OFF",
        ("tests/unit/test_journal.py",),
    ),
    Guard(
        "journal before action", _D + "dispatcher.py",
        "            self._board.commit()\n        except Exception:", "        except Exception:",
        (_DISPATCHER,),
    ),
    Guard(
        "fsync of our small files", _A + "durable.py",
        "        if durable:\n            os.fsync(handle)\n", "        if durable:\n            pass\n",
        ("tests/unit/adapters/test_durable.py",),
    ),
    Guard(
        "fsync of their directory", _A + "durable.py",
        "    if durable:\n        _sync(os.path.dirname(path))\n", "",
        ("tests/unit/adapters/test_durable.py",),
    ),
    Guard(
        "fsync of a new directory of the state", _A + "durable.py",
        "        _sync(above)\n", "        pass\n",
        ("tests/unit/adapters/test_durable.py",),
    ),
    Guard(
        "fsync of small copied files", _T + "copying.py",
        "                if self._sync_each:\n                    os.fsync(descriptor)\n", "",
        (_DURABLE,),
    ),
    Guard(
        "fsync of large copied files", _T + "copying.py",
        "                    if self._sync_each:\n                        os.fsync(handle.plain)\n", "",
        (_DURABLE,),
    ),
    Guard(
        "fsync of empty files", _T + "publishing.py",
        "                    if sync_each:\n                        os.fsync(descriptor)\n", "",
        (_DURABLE,),
    ),
    Guard(
        "fsync of the partial's directories", _T + "publishing.py",
        "                if sync_each:\n                    os.fsync(descriptor)\n            finally", "            finally",
        (_DURABLE,),
    ),
    Guard(
        "syncfs of many files", _T + "publishing.py",
        "        if not sync_each:\n            syscalls.syncfs(partial[0])\n", "",
        (_DURABLE,),
    ),
    Guard(
        "fsync of the directory a copy is published in", _T + "publishing.py",
        "        files.rename_new(parent, name, parent, final)\n        os.fsync(parent)\n",
        "        files.rename_new(parent, name, parent, final)\n",
        (_DURABLE,),
    ),
    Guard(
        "fsync of the directories files are published in", _T + "publishing.py",
        '                os.fsync(finals.parent((*folder, b"")))\n', "                pass\n",
        (_DURABLE,),
    ),
    Guard(
        "fsync of a directory that is made for them", _T + "publishing.py",
        "    os.fsync(finals.parent(folder))\n", "    pass\n",
        (_DURABLE,),
    ),
    Guard(
        "fsync after the partial is gone", _T + "publishing.py",
        "        files.prune(parent, (name,))\n        os.fsync(parent)\n", "        files.prune(parent, (name,))\n",
        (_DURABLE,),
    ),
    Guard(
        "syncfs of what is adopted", _T + "delivery.py",
        "            syscalls.syncfs(final[0])\n", "            pass\n",
        (_DURABLE,),
    ),
    Guard(
        "fsync of a new directory on the HDD", _A + "files.py",
        "            os.fsync(current)\n", "            pass\n",
        (_DURABLE,),
    ),
    Guard(
        "fsync of what left the SSD", _T + "removing.py",
        "            files.sync_directories(ssd, [below[:-1], *((*below, *folder) for folder in folders)])\n",
        "            pass\n",
        (_DURABLE,),
    ),
    Guard(
        "fsync of rTorrent's session", _A + "session.py",
        "                os.fsync(descriptor)  # Linux", "                pass  # Linux",
        ("tests/unit/adapters/test_session.py",),
    ),
    # -- no one is let in --
    Guard(
        "the broker's directory is ours alone", "supervisor/arbiter.py",
        '        os.chmod(os.path.join(settings.state_dir, "run"), 0o700)\n', "        pass\n",
        ("tests/attack/test_strangers.py",),
    ),
    Guard(
        "no core dump", "supervisor/arbiter.py",
        "    processes.leave_no_core()\n", "    pass\n",
        ("tests/attack/test_strangers.py",),
    ),
    Guard(
        "a key does not follow a redirect", _A + "http.py",
        "allow_redirects=False", "allow_redirects=True",
        ("tests/unit/adapters/test_http.py",),
    ),
    Guard(
        "a key is cut out of what a service says", _A + "http.py",
        '        text = text.replace(secret, "***")\n', "        pass\n",
        ("tests/unit/adapters/test_http.py",),
    ),
    Guard(
        "a task's text has no key", "supervisor/messages.py",
        'path={self.path!r})"', 'path={self.path!r}, api_key={self.api_key})"',
        ("tests/attack/test_strangers.py",),
    ),
    Guard(
        "a label leads nowhere", _D + "destinations.py",
        '    if component in {b".", b".."}:\n', "    if False:\n",
        ("tests/unit/dispatch/test_destinations.py",),
    ),
    Guard(
        "a hash is one", _A + "torrents.py",
        "    if not _HASH.fullmatch(info_hash):", "    if False:",
        ("tests/unit/adapters/test_rtorrent.py",),
    ),
    Guard(
        "the log keeps to its lines", "supervisor/logs.py",
        '    spelt = _UNFIT.sub(lambda found: f"\\\\u{ord(found.group()):04x}", text)\n', "    spelt = text\n",
        ("tests/unit/test_logs.py",),
    ),
    Guard(
        "a head of a request has an end", "supervisor/observation/web.py",
        "        self._too_large = len(head) > _LARGEST_HEAD\n", "        self._too_large = False\n",
        ("tests/unit/observation/test_web.py",),
    ),
    Guard(
        "a request has a deadline", "supervisor/observation/web.py",
        "                self.connection.settimeout(max(end - clock.monotonic(), 0.001))\n",
        "                self.connection.settimeout(_DEADLINE)\n",
        ("tests/unit/observation/test_web.py",),
    ),
)  # fmt: skip
