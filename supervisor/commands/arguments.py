"""The grammar of the command line: every command with its options, its help and examples.

Help, completion and the manual page are all made from this.
"""

import argparse
from typing import Any

_DESCRIPTION = """\
Moves finished torrents from the SSD to the HDD: copied, proven piece by piece, switched in rTorrent without a re-hash.
The SSD data goes only when space runs low, and never before the copy is proven."""
_FIRST = "check\nstatus --watch\nexplain 0123abcd"  # what to try first
_CODES = "exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 rTorrent unreachable, 5 busy"
_HASH = "the info-hash: 40 hexadecimal digits, or the first few where they are unique"
SHELLS = ("bash", "zsh", "fish")


def _examples(lines: str) -> str:
    each = [f"seedcache {line}" for line in lines.splitlines()]
    return f"example: {each[0]}" if len(each) == 1 else "\n  ".join(["examples:", *each])


def _common(default: str | None) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", metavar="FILE", default=default,
        help="the settings file (else $SEEDCACHE_CONFIG, else /etc/seedcache/settings.toml)",
    )  # fmt: skip
    common.add_argument(
        "-d", "--state-dir", metavar="DIR", default=default,
        help="the state directory (else $SEEDCACHE_STATE_DIR, else what the settings say)",
    )  # fmt: skip
    return common


def parser() -> argparse.ArgumentParser:
    """Return the parser. What it parses has `handler`, the name of the function in `cli` that does it."""
    # The options may stand before the command as well as after it: after it, SUPPRESS leaves what stood before.
    common = _common(argparse.SUPPRESS)
    top = argparse.ArgumentParser(
        "seedcache", description=_DESCRIPTION, parents=[_common(None)],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"{_examples(_FIRST)}\n\n{_CODES}",
    )  # fmt: skip
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(group: Any, name: str, handler: str, text: str, example: str, **fixed: str) -> argparse.ArgumentParser:  # noqa: ANN401  (argparse has no public name for it)
        made: argparse.ArgumentParser = group.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[common],
            epilog=_examples(example), formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.set_defaults(handler=handler, **fixed)
        return made

    def group(name: str, text: str, example: str) -> Any:  # noqa: ANN401  (as above)
        made = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.",
            epilog=_examples(example), formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        return made.add_subparsers(metavar="COMMAND", required=True)

    def json(made: argparse.ArgumentParser) -> None:
        made.add_argument("--json", action="store_true", help="for programs: one JSON object with a version")

    def wait(made: argparse.ArgumentParser) -> None:
        made.add_argument("--no-wait", action="store_true", help="ask for it, and do not wait until it is done")

    def one(made: argparse.ArgumentParser) -> None:
        made.add_argument("hash", metavar="HASH", help=_HASH)

    made = command(commands, "submit", "submit", "hand in one torrent; the hook's way, by hand", f"submit {'0' * 40}")
    made.add_argument(
        "-e", "--event", choices=("finished", "inserted"), default="finished",
        help="what happened to it in rTorrent (default: finished)",
    )  # fmt: skip
    made.add_argument("hash", metavar="HASH", help="the info-hash: 40 hexadecimal digits")
    command(
        commands, "run", "run", "supervise in the foreground until SIGTERM", "--config /etc/seedcache/settings.toml run"
    )
    made = command(commands, "status", "status", "show workers, queue, disks and problems",
                   "status\nstatus --watch\nstatus --json | jq .problems")  # fmt: skip
    json(made)
    made.add_argument(
        "--watch", action="store_true", help="show it anew every second, until Ctrl-C; with --json an object a line"
    )

    queue = group("queue", "see and change what is to be copied", "queue list")
    json(command(queue, "list", "queue_list", "list what is being copied, queued, waiting or failed", "queue list"))
    command(
        queue, "process", "ask_for_all", "try everything that waits again now", "queue process",
        event="process", asked="everything that waits is tried again now",
    )  # fmt: skip
    one(
        command(
            queue,
            "retry",
            "ask_for_one",
            "try one torrent again now, also one that failed",
            "queue retry 0123abcd",
            event="retry",
        )
    )
    one(
        command(
            queue,
            "cancel",
            "ask_for_one",
            "give up copying one torrent; no data is removed",
            "queue cancel 0123abcd",
            event="cancel",
        )
    )
    command(
        queue, "clear", "ask_for_all", "give up everything that is queued or waits; no data is removed", "queue clear",
        event="clear", asked="everything that is queued or waits is given up",
    )  # fmt: skip

    space = group("space", "see and start what leaves the SSD", "space plan")
    json(
        command(
            space, "plan", "space_plan", "show what would leave the SSD, in which order, and what stays", "space plan"
        )
    )
    made = command(
        space, "run", "space_run", "look at the space now, and relocate if it is low", "space run\nspace run --no-wait"
    )
    wait(made)
    command(
        space, "release", "space_release", "start all downloads that are held for want of room, whatever comes of it",
        "space release",
    )  # fmt: skip

    made = command(
        commands, "explain", "explain", "say where a torrent stands, why, and what comes next", "explain 0123abcd"
    )
    one(made)
    json(made)
    made = command(
        commands, "relocate", "ask_for_one", "move one torrent to its HDD copy now, space low or not",
        "relocate 0123abcd\nrelocate --no-wait 0123abcd", event="relocate",
    )  # fmt: skip
    wait(made)
    one(made)
    made = command(
        commands, "verify", "ask_for_one", "read one HDD copy back and prove it again",
        "verify 0123abcd\nverify --no-wait 0123abcd", event="verify",
    )  # fmt: skip
    wait(made)
    one(made)
    made = command(
        commands, "reconcile", "reconcile", "show where rTorrent, the journal and the disks disagree",
        "reconcile\nreconcile --fix",
    )  # fmt: skip
    json(made)
    made.add_argument("--fix", action="store_true", help="hand in what no hook told of, remove what is left of copies")
    made = command(
        commands, "trash", "trash", "put data that no torrent uses into the trash of its disk",
        "trash /ssd/Forgotten\ntrash --empty",
    )  # fmt: skip
    made.add_argument("paths", metavar="PATH", nargs="*", help="a file or directory below the SSD's or an HDD's root")
    made.add_argument("--empty", action="store_true", help="remove what is in the trash, whatever its age")
    made = command(commands, "check", "check", "look at settings, disks, rTorrent, hook and services", "check")
    json(made)
    made.add_argument(
        "--trust", action="store_true", help="accept the file systems that are mounted now as the right ones"
    )
    made.add_argument("--announce", action="store_true", help="also send the webhook and Apprise a test message")

    hook = group("hook", "have rTorrent tell of finished and of new torrents", "hook print")
    command(hook, "print", "hook_print", "print the lines for rTorrent's rc file", "hook print")
    made = command(
        hook,
        "install",
        "hook_install",
        "put the lines into an rc file, or into the running rTorrent",
        "hook install --live ~/.rtorrent.rc",
    )
    made.add_argument("rc", metavar="FILE", nargs="?", help="rTorrent's rc file; as it was, it is kept beside it")
    made.add_argument("--live", action="store_true", help="also, or only, tell the running rTorrent")

    made = command(
        commands, "import-legacy", "import_legacy",
        "take over the settings and the queue of pyrosimple-manager; says what it would do, and changes nothing of its",
        "import-legacy /opt/rflood/.env\nimport-legacy /opt/rflood/.env --yes",
    )  # fmt: skip
    made.add_argument("env", metavar="ENV_FILE", nargs="?", help="its .env file (else the environment is looked at)")
    made.add_argument("--queue", metavar="DIR", help="its queue directory (else `queue` in its LOCK_DIR)")
    made.add_argument("--yes", action="store_true", help="do it: write the settings file, hand in the torrents")

    config = group("config", "see the settings", "config show")
    json(command(config, "show", "config_show", "show the settings in force and where each came from", "config show"))

    made = command(
        commands, "completion", "completion", "print what makes a shell complete these commands",
        "completion bash > /etc/bash_completion.d/seedcache\n"
        "completion zsh > /usr/local/share/zsh/site-functions/_seedcache\n"
        "completion fish > ~/.config/fish/completions/seedcache.fish",
    )  # fmt: skip
    made.add_argument("shell", choices=SHELLS, help="the shell")
    return top
