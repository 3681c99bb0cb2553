"""What every block of the config is made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from scripts.lib.errors import nearest
from scripts.lib.tasks import TASKS


def _known_task(name: str) -> str:
    if name not in TASKS:
        raise ValueError(nearest(name, TASKS))
    return name


Task = Annotated[str, AfterValidator(_known_task)]
Share = Annotated[float, Field(ge=0, le=1)]


class Block(BaseModel):
    """A block of the config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")
