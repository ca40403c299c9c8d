"""What every group of settings is made of: a strict mapping, and numbers with bounds."""

from __future__ import annotations

from typing import Annotated

import msgspec

type Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
type Seconds = Annotated[float, msgspec.Meta(gt=0)]
type Count = Annotated[int, msgspec.Meta(ge=1)]
type Grade = Annotated[int, msgspec.Meta(ge=0, le=10)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the configuration file. Unknown keys are errors."""
