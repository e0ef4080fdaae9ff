"""Base class of the parts of a report."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """Base class of records that do not change."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
