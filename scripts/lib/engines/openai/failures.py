"""How a request to a server can fail."""

from scripts.lib.errors import UserError


class Failure(Exception):
    """A try that came to nothing. `wait`: seconds the server asks for; `lost`:
    a reply that may be charged."""

    def __init__(self, kind: str, detail: str = "", wait: float | None = None, lost: bool = False):
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind, self.wait, self.lost = kind, wait, lost


class Refused(UserError):
    """A request that will never succeed; `code` and `reason` are the server's own."""

    def __init__(self, message: str, status: int, code: str, reason: str):
        super().__init__(message)
        self.status, self.code, self.reason = status, code, reason


class GaveUp(Exception):
    """A request that failed as often as it may."""


class Closing(Exception):
    """The run is ending; nothing more is sent."""
