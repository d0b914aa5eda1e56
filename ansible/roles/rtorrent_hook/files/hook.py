"""`hook.py present|absent --do|--check SETTINGS SUBMIT STATE_DIR`: the hook in the running rTorrent, or not.

Run with the installed seedcache's interpreter. Prints "changed" if something was, or with --check would be, changed.
"""

import sys

from supervisor.adapters.rtorrent import RTorrent
from supervisor.commands import hook
from supervisor.errors import SeedcacheError
from supervisor.settings import load


def main(state: str, mode: str, settings_file: str, submit: str, state_dir: str) -> int:
    """Do it; return 0, or 1 with the reason on standard error."""
    try:
        settings = load(settings_file, {})
        rtorrent = RTorrent(settings.scgi_url, settings.rpc_timeout)
        told = rtorrent.hooks(hook.EVENT).get(hook.NAME)
        wanted = hook.command(state_dir, submit)
        same = told is None if state == "absent" else told is not None and hook.words(told) == hook.words(wanted)
        if same:
            print("as it should be")
            return 0
        if mode == "--do" and state == "absent":
            rtorrent.ask(("method.set_key", "", hook.EVENT, hook.NAME))  # a key without a command is removed
        elif mode == "--do":
            hook.install_live(rtorrent, state_dir, submit)
        print("changed")
    except SeedcacheError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
