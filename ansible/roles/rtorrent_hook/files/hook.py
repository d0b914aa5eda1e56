"""`hook.py present|absent --do|--check URL SUBMIT STATE_DIR`: the hooks in the running rTorrent, or not.

Speaks to rTorrent by itself (XML-RPC in SCGI, or over HTTP): it does not matter which seedcache is installed, if
any. Prints "changed" if something was, or with --check would be, changed.
"""

import socket
import sys
from urllib.parse import urlsplit
from xmlrpc import client as xmlrpc

_NAME = "seedcache"
_OPTIONS = {"event.download.finished": "", "event.download.inserted_new": "-e,inserted,"}  # by event
_SECONDS = 10


def call(url: str, method: str, *arguments: str) -> object:
    """Call a method of the rTorrent behind the URL; return what it returned. Raise OSError or xmlrpc.client.Error."""
    address = urlsplit(url)
    if address.scheme in ("http", "https"):
        return getattr(xmlrpc.ServerProxy(url), method)(*arguments)
    body = xmlrpc.dumps(arguments, method).encode()
    header = b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % len(body)
    if address.scheme == "scgi":
        connection = socket.create_connection((address.hostname, address.port or 5000), _SECONDS)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_SECONDS)
        connection.connect(address.path)
    with connection, connection.makefile("rb") as answer:
        connection.sendall(b"%d:%s,%s" % (len(header), header, body))
        return xmlrpc.loads(answer.read().partition(b"\r\n\r\n")[2])[0][0]


def main(state: str, mode: str, url: str, submit: str, state_dir: str) -> int:
    """Do it; return 0, or 1 with the reason on standard error."""
    changed = False
    try:
        for event, option in _OPTIONS.items():
            handlers = call(url, "method.get", "", event)
            # 0.9.8 tells the command as it was set, 0.16 may tell it in parts.
            told = str(handlers.get(_NAME, "")) if isinstance(handlers, dict) else ""
            ours = all(word in told for word in ("execute.nothrow.bg", submit, f"-d,{state_dir},{option}", "d.hash"))
            if ours if state == "present" else not told:
                continue
            changed = True
            if mode == "--do" and state == "absent":
                call(url, "method.set_key", "", event, _NAME)  # a key without a command is removed
            elif mode == "--do":
                command = f"execute.nothrow.bg={submit},-d,{state_dir},{option}$d.hash="
                call(url, "method.set_key", "", event, _NAME, command)
    except (OSError, xmlrpc.Error) as error:
        print(f"rTorrent at {url}: {error}", file=sys.stderr)
        return 1
    print("changed" if changed else "as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
