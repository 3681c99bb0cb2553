"""What every block of the config is made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from scripts.lib.errors import UserError
from scripts.lib.tasks import check_task


def _known_task(name: str) -> str:
    try:
        check_task(name)
    except UserError as error:
        raise ValueError(str(error)) from None
    return name


Task = Annotated[str, AfterValidator(_known_task)]


class Block(BaseModel):
    """A block of the config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
