"""Why a request is refused: one sentence and the HTTP status that fits it."""

import collections
from collections.abc import Iterable

RETRY_SECONDS = 1  # what Retry-After says of a full queue: about a batch


class Refused(Exception):
    """A request that is not carried out, with the reason for whoever sent it.

    Args:
        status: of HTTP.
        reason: one sentence: what is wrong, and what to do.
        headers: {name: value} of the answer.
    """

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None):
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers or {}


class Gone(Exception):
    """Whoever sent a request has hung up: nobody reads the answer."""


def busy(reason: str) -> Refused:
    """A refusal of what may be asked again in a moment.

    Args:
        reason: one sentence.

    Returns:
        A Refused of status 503 with Retry-After.
    """
    return Refused(503, reason, {"Retry-After": str(RETRY_SECONDS)})


def refuse_unknown(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Refuse names that say nothing here: a misspelt option would be at work for whoever sent it alone.

    Args:
        given: names of a request.
        known: those that there are.
        what: to call them.

    Raises:
        Refused: 422, a name is none of the known.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        names = ", ".join(repr(str(name)[:40]) for name in unknown[:5])
        raise Refused(422, f"{what} {names}: there is no such thing here, there {_are(sorted(known))}: correct or "
                           "leave it out.")


def refuse_repeated(given: Iterable[str], what: str) -> None:
    """Refuse a name that is given twice: one of the two would be dropped.

    Args:
        given: names of a request.
        what: to call them.

    Raises:
        Refused: 400, a name comes twice.
    """
    twice = [name for name, count in collections.Counter(given).items() if count > 1]
    if twice:
        raise Refused(400, f"{what} {', '.join(repr(name[:40]) for name in twice[:5])}: it comes more than once: send "
                           "it once.")


def _are(names):
    return f"{'is' if len(names) == 1 else 'are'} {', '.join(names)}" if names else "is none"
