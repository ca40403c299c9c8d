"""What is told of the facts' routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from thane.http.openapi.shape import Rule, Said, Shape, about
from thane.http.openapi.told import CURSOR, LIMIT, Query, Told, one_of

Moment = Annotated[float, msgspec.Meta(ge=0, lt=253_402_300_800)]


class FactTold(Shape):
    id: str
    scope: Annotated[Literal["person", "conversation", "house"], about("Who may be told of it.")]
    subject: Annotated[str, about("The person, or the conversation's id; empty for the house.")]
    category: Literal["user", "home", "device", "routine", "preference", "architecture"]
    key: Annotated[str, about("Its name; with scope, subject and category it names one fact that holds.")]
    value: str
    source: Literal["person", "model", "extraction", "import"]
    run_id: Annotated[str, about("The run in which it was remembered.")]
    confidence: float
    created_at: Annotated[str, about("RFC 3339.")]
    updated_at: str
    valid_from: Annotated[str | None, about("It holds from then on; null is always.")]
    valid_until: Annotated[str | None, about("It holds until then; null is on.")]
    state: Annotated[
        Literal["current", "proposed", "superseded", "forgotten"],
        about("`proposed`: what a model would put in the place of what a person wrote; it holds nothing."),
    ]
    superseded_by: Annotated[str, about("The fact that holds in its place.")]
    message_id: Annotated[str, about("The message from which it comes; empty where it comes from none.")]


class FactPage(Shape):
    facts: Annotated[tuple[FactTold, ...], about("Latest change first.")]
    count: Annotated[int, about("On this page.")]
    next: Annotated[str | None, about("`cursor` of the next page; null on the last.")]


class FactUse(Shape):
    fact_id: str
    run_id: str
    how: Annotated[
        Literal["prompt", "recall", "remember"], about("Told with the turn, looked up, or remembered in the run.")
    ]
    at: str


class FactUsed(FactUse):
    """A use, with what the fact said."""

    scope: str
    category: str
    key: str
    value: str


class FactWhole(FactTold):
    history: Annotated[tuple[FactTold, ...], about("All that was known under its name, latest first.")]
    uses: tuple[FactUse, ...]


class FactErased(Shape):
    facts: Annotated[int, about("It, and what was known under its name before.")]
    checkpoints: Annotated[int, about("Checkpoints from which it was taken.")]
    prompts: Annotated[int, about("Kept prompts that were deleted, of the runs that were told it.")]
    tool_calls: Annotated[int, about("Calls of the tools for facts that were blanked.")]
    conversations: Annotated[tuple[str, ...], about("In these it was told; what was said there stays.")]
    damaged: Annotated[tuple[str, ...], about("Checkpoints whose facts cannot be read.")]
    was_told: Annotated[bool, about("In a run, so that the event log has it for a while.")]
    remains: Annotated[tuple[str, ...], about("What is left of it elsewhere, in sentences.")]


class FactRequest(Shape):
    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {"properties": {"scope": {"enum": ["house", None]}, "subject": {"maxLength": 0}}},
            {
                "required": ["scope", "subject"],
                "properties": {
                    "scope": {"enum": ["person", "conversation"]},
                    "subject": {"type": "string", "minLength": 1},
                },
            },
        ]
    }

    category: Literal["user", "home", "device", "routine", "preference", "architecture"]
    key: Annotated[Said, about("Its name; how long it may be says `facts.key_chars`.")]
    value: Annotated[Said, about("How long it may be says `facts.value_chars`.")]
    scope: Literal["person", "conversation", "house"] = "house"
    subject: Annotated[str, about("The person, or the conversation's id; empty for the house.")] = ""
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    valid_from: Annotated[Moment | None, about("Epoch seconds.")] = None
    valid_until: Annotated[Moment | None, about("Epoch seconds.")] = None


class FactCorrection(Shape):
    value: Said
    valid_until: Annotated[Moment | None, about("Epoch seconds.")] = None


_NONE = {404: "No such fact."}
_QUERY = (
    Query("q", "Words in names and values."),
    Query("scope", "`person`, `conversation` or `house`."),
    Query("subject", "The person, or the conversation's id."),
    Query("category", "`user`, `home`, `device`, `routine`, `preference`, `architecture`."),
    Query("key", "Its name."),
    Query("source", "`person`, `model`, `extraction`, `import`."),
    one_of("state", "`current` if nothing is given.", "current", "proposed", "superseded", "forgotten", "all"),
    LIMIT,
    CURSOR,
)

FACTS: Mapping[str, Told] = {
    "GET /v1/facts": Told(title="List what is remembered", answer=FactPage, query=_QUERY),
    "POST /v1/facts": Told(
        title="Remember a fact",
        body=FactRequest,
        answer=FactTold,
        statuses={201: "The fact."},
        errors={400: "Something is missing or too long."},
        example={"category": "home", "key": "bin day", "value": "Monday"},
    ),
    "GET /v1/facts/{fact_id}": Told(title="Read a fact", answer=FactWhole, errors=_NONE),
    "PATCH /v1/facts/{fact_id}": Told(
        title="Correct a fact",
        body=FactCorrection,
        answer=FactTold,
        errors={**_NONE, 409: "It does not hold any more."},
        example={"value": "Tuesday"},
    ),
    "DELETE /v1/facts/{fact_id}": Told(
        title="Forget a fact, or erase it",
        query=(one_of("erase", "`true`: leave nothing of it.", "true", "false"),),
        answer=FactErased,
        statuses={200: "It is erased.", 204: "It is forgotten."},
        errors=_NONE,
    ),
    "POST /v1/facts/{fact_id}/accept": Told(
        title="Accept a proposed fact", answer=FactTold, errors={**_NONE, 409: "It is no proposal."}
    ),
}
