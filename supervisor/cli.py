"""The command line. `submit` is answered before anything else is imported; every other command imports what it needs.

Commands change nothing themselves: they ask the supervisor by an entry in the spool, which it also finds when it is
started later. `status`, `queue list`, `space plan`, `explain`, `check` and `config show` only read;
`trash` and `reconcile --fix` act themselves.
"""

import os
import sys

TYPE_CHECKING = False  # `typing` costs a hook more than all the rest; type checkers take the name for what it says
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from supervisor.commands.asking import Request
    from supervisor.commands.waiting import OneTorrent, SpacePass
    from supervisor.settings import Settings


def main(arguments: "list[str] | None" = None) -> int:
    """Given the command line (without the program's name; default: this process's), run it and return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["submit"] and not {"-h", "--help"} & set(words):
        from supervisor import submit

        return submit.main(words[1:])
    return _guarded(words)


def _guarded(words: list[str]) -> int:
    """Run a command. This is the one place where an error becomes a line and an exit code."""
    from supervisor.commands.arguments import parser
    from supervisor.commands.display import clean
    from supervisor.errors import Exit, SeedcacheError

    try:
        options = parser().parse_args(words)
        code = int(globals()[f"_{options.handler}"](options))
        sys.stdout.flush()
    except SeedcacheError as error:
        for line in str(error).splitlines():
            print(f"seedcache: {clean(line)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130  # as shells say of a command that SIGINT ended
    except BrokenPipeError:
        # Nobody reads on: `seedcache status | head`. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as error:
        if os.environ.get("SEEDCACHE_DEBUG") == "1":
            raise
        text = clean(f"{type(error).__name__}: {error}")
        print(f"seedcache: this is a defect, please report it: {text} (SEEDCACHE_DEBUG=1 shows where)", file=sys.stderr)
        return Exit.FAILED
    return code


# -- what the commands share ------------------------------------------------------------------------------------------


def _environ(options: "Namespace") -> dict[str, str]:
    """Return the environment, with what the command line says instead."""
    return dict(os.environ) | ({"SEEDCACHE_STATE_DIR": options.state_dir} if options.state_dir else {})


def _settings(options: "Namespace") -> "Settings":
    from supervisor.settings import load

    return load(options.config, _environ(options))


def _state_dir(options: "Namespace") -> str:
    from supervisor.commands import places

    return places.state_dir(options.config, _environ(options))


def _print(lines: "Iterable[str]") -> int:
    from supervisor.commands.display import clean

    encoding = sys.stdout.encoding
    sys.stdout.writelines(f"{clean(line, encoding)}\n" for line in lines)
    return 0


def _print_json(value: object) -> int:
    import json

    print(json.dumps(value, indent=2))
    return 0


def _now() -> float:
    from supervisor.adapters import clock

    return clock.now()


def _answer(request: "Request") -> int:
    """Say whether anybody is there to do what was asked for."""
    return _print(request.lines)


def _await(request: "Request", wait: "type[OneTorrent | SpacePass]") -> int:
    """Show how what was asked for gets on until it has ended; leaving earlier changes nothing about it."""
    _answer(request)
    sys.stdout.flush()
    if not request.running:
        return 0
    try:
        if _on_terminal():
            from supervisor.commands import watching

            return watching.progress(wait(request))
        from supervisor.commands import waiting

        return waiting.follow(wait(request), waiting.plainly(lambda line: _print([line]) or sys.stdout.flush()))
    except KeyboardInterrupt:
        print("no longer waiting; seedcache goes on with it, `seedcache status --watch` shows how", file=sys.stderr)
        raise


def _on_terminal() -> bool:
    """Return whether a person sees the output on a terminal that can do more than print lines."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")


# -- the commands, each named by `arguments` ----------------------------------------------------------------------


def _ask_for_one(options: "Namespace") -> int:
    from supervisor.commands import asking

    follow = options.event in ("verify", "relocate") and not options.no_wait
    request = asking.ask_for_one(_state_dir(options), options.hash, options.event, _now(), follow=follow)
    if not follow:
        return _answer(request)
    from supervisor.commands.waiting import OneTorrent

    return _await(request, OneTorrent)


def _ask_for_all(options: "Namespace") -> int:
    from supervisor.commands import asking

    return _answer(asking.ask(_state_dir(options), "all", options.event, options.asked, _now()))


def _space_run(options: "Namespace") -> int:
    from supervisor.commands import asking

    what, follow = "the space is looked at now", not options.no_wait
    request = asking.ask(_state_dir(options), "all", "space", what, _now(), follow=follow)
    if not follow:
        return _answer(request)
    from supervisor.commands.waiting import SpacePass

    return _await(request, SpacePass)


def _submit(options: "Namespace") -> int:
    from supervisor import submit

    words = ["-d", options.state_dir] if options.state_dir else []
    return submit.main([*words, "-e", options.event, options.hash])


def _run(options: "Namespace") -> int:
    from functools import partial

    from supervisor import arbiter
    from supervisor.apart import load_apart

    environ = _environ(options)
    file = options.config or environ.get("SEEDCACHE_CONFIG")
    # Absolute: it is read again on SIGHUP, when the supervisor works in another directory.
    load = partial(load_apart, file and os.path.abspath(file), environ)
    return arbiter.run(load(), load)


def _status(options: "Namespace") -> int:
    from supervisor.commands import plain, status

    state_dir = _state_dir(options)
    if not options.json and _on_terminal():
        from supervisor.commands import watching

        return watching.watch(state_dir) if options.watch else watching.show(status.gather(state_dir, _now()))
    if options.watch:
        return plain.watch(state_dir, plain.document if options.json else plain.text)
    view = status.gather(state_dir, _now())
    return _print_json(status.as_dict(view)) if options.json else _print(plain.render(view))


def _queue_list(options: "Namespace") -> int:
    from supervisor.commands import plain, status
    from supervisor.commands.reader import Reader
    from supervisor.jobs import State

    journal = Reader(_state_dir(options))
    jobs = [
        job for state in (State.COPYING, State.SUBMITTED, State.WAITING, State.FAILED) for job in journal.jobs([state])
    ]
    if options.json:
        return _print_json({"version": status.VERSION, "jobs": [status.job_as_dict(job) for job in jobs]})
    return _print(plain.queue(jobs, _now()))


def _space_plan(options: "Namespace") -> int:
    from supervisor.adapters.rtorrent import RTorrent
    from supervisor.commands import outlook
    from supervisor.commands.reader import Reader

    settings = _settings(options)
    journal = Reader(settings.state_dir)
    seen = outlook.look(settings, journal, RTorrent(settings.scgi_url, settings.rpc_timeout).torrents(), _now())
    return _print_json(outlook.as_dict(seen)) if options.json else _print(outlook.render(seen))


def _space_release(options: "Namespace") -> int:
    from supervisor.commands import holds

    return _print(holds.release(_settings(options)))


def _explain(options: "Namespace") -> int:
    from supervisor.commands import explaining
    from supervisor.commands.reader import Reader
    from supervisor.errors import InvalidInput

    settings = _settings(options)
    journal = Reader(settings.state_dir)
    case = explaining.investigate(settings, journal, journal.full_hash(options.hash), _now())
    if case.job is None and case.torrent is None and not case.events:
        raise InvalidInput(f"{case.hash} is neither in the journal nor in rTorrent. {case.unknown}".rstrip())
    return _print_json(explaining.as_dict(case)) if options.json else _print(explaining.render(case))


def _check(options: "Namespace") -> int:
    from supervisor.commands import check

    if options.trust:
        from supervisor.commands import asking

        what = "the file systems that are mounted now are the right ones"
        return _answer(asking.ask(_state_dir(options), "all", "trust", what, _now()))
    findings = []
    for finding in check.run(options.config, _environ(options), _now(), announce=options.announce):
        findings.append(finding)
        if not options.json:
            _print(check.render(finding))
            sys.stdout.flush()
    _print_json(check.as_dict(findings)) if options.json else _print([check.summary(findings)])
    return check.exit_code(findings)


def _reconcile(options: "Namespace") -> int:
    from supervisor.commands import reconcile

    report = reconcile.look(_settings(options), _now(), fix=options.fix)
    return _print_json(reconcile.as_dict(report)) if options.json else _print(reconcile.render(report))


def _trash(options: "Namespace") -> int:
    from supervisor.commands import trash

    return _print(trash.run(_settings(options), options.paths, _now(), empty=options.empty))


def _hook_print(options: "Namespace") -> int:
    from supervisor.commands import hook

    return _print(hook.print_lines(_settings(options), hook.submit_path()))


def _hook_install(options: "Namespace") -> int:
    from supervisor.commands import hook

    return _print(hook.install_where(_settings(options), options.rc, live=options.live))


def _import_legacy(options: "Namespace") -> int:
    from supervisor.commands import importing

    given = importing.Sources(options.env, options.queue, options.config)
    return _print(importing.run(given, _environ(options), apply=options.yes))


def _config_show(options: "Namespace") -> int:
    from supervisor.commands import configuration

    settings = _settings(options)
    return _print_json(configuration.as_dict(settings)) if options.json else _print(configuration.render(settings))


def _completion(options: "Namespace") -> int:
    from supervisor.commands import completion

    sys.stdout.write(completion.script(options.shell))
    return 0


if __name__ == "__main__":
    sys.exit(main())
