"""The forms of settings that are secrets: as `forms`, but no message ever quotes them, and a file may hold them."""

import re

from supervisor.configuration.forms import Form, address


def secret() -> Form:
    """Give a key: the text itself, or `file:/path` of a file that holds nothing else."""

    def parse(raw: object, _text: bool) -> str:
        if not isinstance(raw, str):
            raise ValueError("the key is not a text; put it in quotes")  # noqa: TRY004  # one kind for all
        text = raw.strip()
        if text.startswith("file:"):
            text = _content(text.removeprefix("file:"))
        if not re.fullmatch(r"[!-~]*", text):
            raise ValueError("the key has spaces or characters that no HTTP header can carry; copy it again")
        return text

    return Form("key, or file:/path of a file with the key", parse)


def secret_address(*schemes: str) -> Form:
    """Give an address of which no message says more than that it is wrong, or `file:/path` of a file with it."""
    plain = address(*schemes, optional=True)

    def parse(raw: object, text: bool) -> str:
        written = raw.strip() if isinstance(raw, str) else ""
        written = _content(written.removeprefix("file:")) if written.startswith("file:") else written
        try:
            found: str = plain.parse(written if isinstance(raw, str) else raw, text)
        except ValueError:
            raise ValueError(f"is not an address; write {plain.values}, with nothing around it") from None
        return found

    return Form(f"{plain.values}, or file:/path of a file with that", parse)


def _content(name: str) -> str:
    if not name.startswith("/"):
        raise ValueError("the path after file: is not absolute; write it from the root, like file:/etc/seedcache/key")
    try:
        with open(name, encoding="utf-8") as file:
            text = file.read(4096).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise ValueError(f"the file {name!r} cannot be read ({reason}); write file:/path of a readable file") from None
    if not text:
        raise ValueError(f"the file {name!r} is empty; put the key into it")
    return text
