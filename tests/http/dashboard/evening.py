"""One evening in the demo home: conversations in every state, running turns, devices that were just changed."""

from __future__ import annotations

from typing import Any

from tests.http.dashboard.fakes import World, live_run, status
from thane.clock import iso
from thane.conversations.live import LiveRun, Span
from thane.memory.records import ConversationRecord, MessageRecord, RunRecord, ToolCallRecord
from thane.models.provider import ModelInfo
from thane.turn import Message, Role, Usage


async def evening(world: World, waiting: int = 24) -> None:
    """`waiting` is how many more Open WebUI conversations wait."""
    conversations(world, waiting)
    for run in turns(world.clock.time()):
        world.conversations.runs[run.run_id] = run
        world.bus.publish(
            "agent",
            "request_start",
            run_id=run.run_id,
            request_id=run.run_id,
            conversation_id=run.conversation_id,
            loop_id=run.loop_id,
            channel=run.channel,
            profile=run.profile,
            title=run.title,
        )
    await happenings(world)
    world.health.mark("garage", ready=False, error="connect timed out")
    world.models = (ModelInfo("qwen3:14b", "ollama"), ModelInfo("claude-sonnet-4-5", "anthropic"))
    remember_chat(world)


def conversations(world: World, waiting: int) -> None:
    def context(percent: int) -> dict[str, Any]:
        return {"last_input_tokens": percent, "context_window": 100}

    world.conversation("l1", "Lisbon long weekend", "owu", "processing", **context(38))
    world.conversation("l2", "Sunday recipe", "owu", "queued", **context(22))
    world.conversation("l3", "Boiler manual questions", "owu", **context(71))
    for number in range(waiting):
        world.conversation(f"w{number}", f"Question {number}", "owu")
    world.conversation("l5", "Kitchen satellite", "ha", **context(4))
    world.conversation("l6", "Hall tablet", "ha", **context(9))
    world.conversation("l7", "Movie night", "api", "processing", **context(27))
    world.conversation("l8", "invoice-bot", "api", "processing", **context(84))
    world.conversation("l9", "hermes-cli", "api", "stopped")
    now = world.clock.time()
    world.loops.all["s1"] = status("s1", "Morning briefing", "sleeping", next_wake_at=iso(now + 9 * 3600))
    world.loops.all["s2"] = status(
        "s2", "Battery watch", "error", next_wake_at=iso(now + 24), consecutive_errors=3, state_since=now - 120
    )


def turns(now: float) -> tuple[LiveRun, ...]:
    """Two that work, one that waits for its model after a failed call, one that waits in line."""

    def span(kind: Any, name: str, ago: float, duration: float | None, state: Any = "done") -> Span:
        return Span(kind, name, now - ago, duration, "running" if duration is None else state)

    claude, qwen = "claude-sonnet-4-5", "qwen3:14b"
    lisbon = (
        span("queue", "queue", 11.8, 0.2),
        span("model", claude, 11.6, 3.4),
        span("tool", "web.search", 8.2, 2.6),
        span("model", claude, 5.6, 3.5),
        span("tool", "web.search", 2.1, None),
    )
    movie = (
        span("queue", "queue", 4.1, 0.1),
        span("model", qwen, 4.0, 1.2),
        span("tool", "light.turn_on", 2.8, 0.084),
        span("tool", "vacuum.start", 2.7, 1.1),
        span("model", qwen, 1.6, None),
    )
    invoice = (span("error", claude, 6.3, 2.1, "error"), span("model", claude, 4.2, None))
    return (
        live_run(
            *("r_5d0c91ae", "l1", "Lisbon long weekend", "owu"),
            turn_number=12,
            started_at=now - 11.8,
            model=claude,
            what="web.search",
            spans=lisbon,
        ),
        live_run(
            *("r_19be0a52", "l2", "Sunday recipe", "owu"),
            turn_number=2,
            state="queued",
            position=1,
            started_at=now - 0.8,
        ),
        live_run(
            *("r_8f3a21c4", "l7", "Movie night", "api"),
            turn_number=4,
            started_at=now - 4.1,
            model=qwen,
            what="Writing the answer",
            output_tokens=61,
            first_token=2.5,
            spans=movie,
        ),
        live_run(
            *("r_c02e77f1", "l8", "invoice-bot", "api"),
            turn_number=31,
            started_at=now - 6.4,
            model=claude,
            what="Waiting for the first word",
            spans=invoice,
        ),
    )


async def happenings(world: World) -> None:
    """What the bus tells of the evening."""

    def agent(kind: str, **data: object) -> None:
        about = {"run_id": "r_8f3a21c4", "conversation_id": "c_l7", "loop_id": "l7"}
        world.bus.publish("agent", kind, **{**about, **data})

    agent("llm_call", iter=1, model="qwen3:14b", provider="ollama", est_tokens=3412, messages=6, tools=9)
    agent("llm_response", iter=1, model="qwen3:14b", tokens_in=3412, tokens_out=47, tool_calls=2, duration_ms=1280)
    for call, tool, entity, data in (
        ("call_1", "light.turn_on", "light.floor_lamp", {"brightness_pct": 35}),
        ("call_2", "vacuum.start", "vacuum.vacuum", {}),
    ):
        agent("tool_call", call_id=call, tool=tool, args={"entity_id": entity, **data})
        domain, _, service = tool.partition(".")
        await world.home.call_service(domain, service, [entity], data, run_id="r_8f3a21c4")
        agent("tool_done", call_id=call, tool=tool, ok=True, result="done", duration_ms=84)
    agent("tool_done", call_id="call_3", tool="web.fetch", ok=False, error="no answer within 30 s", duration_ms=30000)
    agent(
        "request_complete",
        run_id="r_0",
        conversation_id="c_l3",
        loop_id="l3",
        model="qwen3:14b",
        iterations=2,
        total_tokens_in=184_200,
        total_tokens_out=21_600,
        elapsed_ms=2210,
    )
    agent("request_cancelled", run_id="r_9", conversation_id="c_l9", loop_id="l9", by="dashboard", elapsed_ms=812)
    world.bus.publish(
        "loop",
        "loop_error",
        loop_id="s2",
        loop_name="Battery watch",
        error="home.list_states timed out",
        consecutive_errors=3,
        retry_in_ms=24000,
    )


def remember_chat(world: World) -> None:
    """A stored conversation of two turns, `c_l7`."""
    now = world.clock.time()
    world.archive.known["c_l7"] = ConversationRecord("c_l7", "api", "Movie night", now - 60, now, 4, 2)
    said = (
        ("Anything still on upstairs?", "Only the office lamp, at 40 %. Everything else upstairs is off."),
        ("Film time: dim the floor lamp.", "The floor lamp is at 35 %."),
    )
    records: list[MessageRecord] = []
    for number, (question, answer) in enumerate(said):
        run_id = f"r_past{number}"
        exchange: tuple[tuple[Role, str], ...] = (("user", question), ("assistant", answer))
        for role, text in exchange:
            at = len(records)
            message = Message(role, text)
            records.append(MessageRecord(f"m{at}", "c_l7", run_id, at, message, now, f"k{at}", f"k{at - 1}"))
        call = ToolCallRecord(
            "call_1", run_id, "c_l7", 1, "light.turn_on", "{}", "done", ok=True, started_at=now, duration=0.084
        )
        world.archive.past[run_id] = RunRecord(
            *(run_id, "c_l7", "l7", "api", "thane:latest", "done", now),
            model="qwen3:14b",
            text=answer,
            usage=Usage(3412, 61),
            duration=1.3,
            first_token=0.38,
            tool_calls=(call,) if number else (),
        )
    world.archive.said["c_l7"] = tuple(records)
