"""How a request to a server can fail."""

from scripts.lib.engines.openai.refusals import Complaint
from scripts.lib.errors import UserError


class Failure(Exception):
    """A try that came to nothing. `wait`: seconds the server asks for; `lost`:
    a reply that may be charged."""

    def __init__(self, kind: str, detail: str = "", wait: float | None = None, lost: bool = False):
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind, self.wait, self.lost = kind, wait, lost


class Refused(UserError):
    """A request that will never succeed as it is; `complaint`: what the server says of it."""

    def __init__(self, message: str, complaint: Complaint):
        super().__init__(message)
        self.complaint = complaint


class GaveUp(Exception):
    """A request that failed as often as it may."""


class Closing(Exception):
    """The run is ending; nothing more is sent."""
