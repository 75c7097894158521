"""What the server takes at most, and how long it waits."""

import dataclasses

from mrcnn.errors import UsageError

MB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Limits:
    """The numbers that bound what requests cost.

    Args:
        queue: photos of all requests together that are decoded and not yet answered at most; requests wait for places
            among them, and so many may be in hand.
        batch_size: photos that go through the network together at most.
        wait: seconds that a photo waits for others to go with it.
        timeout: seconds until the head of a request has to be there, again until all of it has to be read,
            and again until it has to be answered.
        upload: bytes of a request at most.
        pixels: of a photo at most, looked at before it is decoded.
        photos: of a request at most.

    Raises:
        UsageError: a number is out of range.
    """

    queue: int = 64
    batch_size: int = 4
    wait: float = 0.005
    timeout: float = 60.0
    upload: int = 32 * MB
    pixels: int = 50_000_000
    photos: int = 16

    @property
    def photos_taken(self) -> int:
        """Photos that a request may have: those of one wait together, so the queue has to hold them."""
        return min(self.photos, self.queue)

    def __post_init__(self):
        for name in ("queue", "batch_size", "timeout", "upload", "pixels", "photos"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name}={getattr(self, name)}: it must be more than 0.")
        if self.wait < 0:
            raise UsageError(f"wait={self.wait}: it must be 0 or more seconds.")
