"""The forms of the space marks and of the policy: see `forms`. Pure."""

from collections.abc import Callable

from supervisor import measures
from supervisor.configuration.forms import Form, shown


def amount(*, optional: bool = False) -> Form:
    """Give an amount of space, as text that `measures.amount` understands; with `optional`, it may be empty."""
    return Form(
        "size like 150 GB or 1.5 TiB, GiB if bare, or percent of the disk like 10%", _measure(measures.amount, optional)
    )


def duration() -> Form:
    """Give a length of time, as text that `measures.seconds` understands."""
    return Form("length of time like 3 days, 12 h or 90 min; 0", _measure(measures.seconds, optional=False))


def _measure(understand: Callable[[str], object], optional: bool) -> Callable[[object, bool], str]:
    def parse(raw: object, _text: bool) -> str:
        plain = isinstance(raw, int | float) and not isinstance(raw, bool)
        if not plain and not isinstance(raw, str):
            raise ValueError(f"{shown(raw)} is not a text; put it in quotes")
        text = str(raw).strip()
        if text or not optional:
            understand(text)
        return text

    return parse


def texts() -> Form:
    """Give texts, none twice."""
    return Form("list of texts; in the environment with commas", _texts)


def order(*known: str) -> Form:
    """Give some of a few words in an order of one's own, at least one, each once."""

    def parse(raw: object, text: bool) -> tuple[str, ...]:
        found = tuple(word.casefold() for word in _texts(raw, text))
        wrong = [word for word in found if word not in known]
        if wrong or not found:
            raise ValueError(f"{shown(', '.join(wrong) or 'an empty list')} is not among {', '.join(known)}")
        return found

    return Form(f"list of {', '.join(known)}, the weightiest first; in the environment with commas", parse)


def _texts(raw: object, text: bool) -> tuple[str, ...]:
    entries = raw.split(",") if text and isinstance(raw, str) else raw
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError(f'{shown(raw)} is not a list of texts; write it like ["a", "b"]')
    found = tuple(entry.strip() for entry in entries)
    if not all(found) or len({entry.casefold() for entry in found}) < len(found):
        raise ValueError(f"{shown(raw)} has an empty text, or one twice; remove it")
    return found
