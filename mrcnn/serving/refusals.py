"""Why a request is refused: one sentence and the HTTP status that fits it."""

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
