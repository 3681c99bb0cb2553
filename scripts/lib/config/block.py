"""What every block of the config is made of."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Task = Literal["gsm8k", "gsm_plus", "mmlu_pro", "open"]
Engine = Literal["transformers", "vllm", "openai"]


class Block(BaseModel):
    """A block of the config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")
