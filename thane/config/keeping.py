"""Settings of what lives on and is kept: loops, conversations, runs, events, storage, the dashboard, logs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from thane.config.fields import Count, Seconds, Section


class Loops(Section, frozen=True):
    stop_seconds: Seconds = 10.0
    """Longest wait for loops to end when they are stopped."""
    recent: Count = 10
    """Past iterations and conversations that each loop shows."""


class WhenBusy(Section, frozen=True):
    owu: Literal["queue", "interrupt"] = "queue"
    """What a message of Open WebUI's does while a turn of its conversation runs: wait, or end that turn."""
    ha: Literal["queue", "interrupt"] = "queue"
    """The same for Home Assistant's."""
    api: Literal["queue", "interrupt"] = "queue"
    """The same for those of all other clients."""


class Housekeeping(Section, frozen=True):
    recognise: Literal["content", "header", "off"] = "content"
    """How Open WebUI's requests for itself are known: by a header or their first words, by a header alone, never."""
    openings: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    """More first words of such requests, by kind, e.g. `title_generation: ["Name this chat"]`, for changed prompts."""


class Conversations(Section, frozen=True):
    idle_seconds: Seconds = 1800.0
    """A conversation's loop ends after this long without a turn; the conversation itself stays."""
    max_live: Count = 200
    """Live conversation loops at a time; the one idle longest makes room. Only where all are busy are there more."""
    queue_turns: Count = 4
    """Turns that may wait in one conversation; more are refused with 429."""
    max_running: Count = 256
    """Turns that run at the same time in all; more wait."""
    max_waiting: Count = 512
    """Turns that may wait in all because so many run; more are refused with 503."""
    told_places: Count = 10
    """Of the turns that wait because so many run, so many at the front are told each step forward."""
    reply_batches: Count = 64
    """Pieces of an answer that may wait for a slow client before the model is slowed down."""
    home_assistant_idle_seconds: Seconds = 600.0
    """How long Home Assistant can continue a conversation; older ones are not taken up again by history."""
    when_busy: WhenBusy = WhenBusy()
    """What becomes of a message that arrives while a turn runs in its conversation."""
    housekeeping: Housekeeping = Housekeeping()
    """Open WebUI's requests for titles, tags and the like, which belong to no conversation."""
    client_tools_seconds: Seconds = 60.0
    """How long a turn is shown as going on while its client runs tools of its own and says nothing."""
    record_seconds: Seconds = 10.0
    """Longest wait for the end of a turn to be on disk; a turn that is not stored in time fails."""
    remembered: Count = 1000
    """Conversations whose last words are kept in memory, to know a trimmed or stopped history again."""
    compact_keep_messages: Count = 10
    """Messages at the end of a conversation that stay as they are when it is compacted."""
    compact_chars: Count = 40_000
    """Characters of a conversation that are shown to the model that is to summarise it, when it is compacted."""
    summary_chars: Annotated[int, msgspec.Meta(ge=100)] = 6000
    """Longest summary of a compacted conversation; what a model writes beyond that is cut."""
    history_lookups: Count = 4
    """Earlier answers of a request's history that are looked up, newest first, to find its conversation."""


class Runs(Section, frozen=True):
    keep_prompts: bool = True
    """Keep what each model step was really sent. Secrets that Thane knows or recognises are taken out first."""
    keep_images: bool = False
    """Keep the images of prompts too; otherwise only their hash and size."""
    prompt_days: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    """Prompts older than this are deleted; 0 keeps them as long as their runs."""
    prompt_bytes: Annotated[int, msgspec.Meta(ge=0)] = 536_870_912
    """Most that all prompts together take on disk; the oldest make room. 0 sets no limit."""
    prompt_cache_bytes: Count = 4_194_304
    """Memory for pieces of prompts that were lately kept: the next turn of a conversation has most of them again."""
    run_days: Annotated[float, msgspec.Meta(ge=0)] = 365.0
    """Runs older than this are deleted with their steps and tool calls, not what was said in them; 0 keeps all."""
    sweep_seconds: Seconds = 3600.0
    """Pause between two looks for what is too old or too much."""
    sweep_rows: Count = 200
    """Runs that are tidied away in one transaction, so that a turn never waits long for the disk."""


class Events(Section, frozen=True):
    ring_events: Count = 10_000
    """Events kept in memory for replay."""
    subscriber_events: Count = 1000
    """Events that may wait for one subscriber before drop notices are sent instead."""
    log_rows: Annotated[int, msgspec.Meta(ge=0)] = 100_000
    """Events kept on disk for replay; 0 keeps none."""
    ping_seconds: Seconds = 20.0
    """Pause between heartbeats on an idle event stream."""


class Dashboard(Section, frozen=True):
    batch_seconds: Seconds = 0.05
    """Least pause between two updates of an open page; what changes in between is sent together."""
    refresh_seconds: Seconds = 1.0
    """How often figures that change with time alone are drawn anew while turns run."""
    pulse_seconds: Seconds = 10.0
    """How often a page on which nothing happens is told that it is still true."""
    tree_rows: Count = 8
    """Conversations of one channel that are drawn in the tree; the rest are one node."""
    event_rows: Count = 400
    """Rows that the Events page keeps, and that are sent at once."""
    event_scan: Count = 10_000
    """Events that are looked through for the first rows of the Events page and its histogram."""
    chat_messages: Count = 40
    """Messages of a conversation that the chat box shows when the page is opened."""
    thread_messages: Count = 200
    """Messages of a conversation that its page shows at first."""
    export_calls: Count = 100_000
    """Model calls that the Costs page gives as a file at once."""
    message_chars: Count = 20_000
    """Longest message that the chat box sends."""
    prompt_chars: Count = 40_000
    """Characters of a prompt that the page of a run shows; its JSON has the whole."""


class Storage(Section, frozen=True):
    synchronous: Literal["normal", "full"] = "normal"
    """`normal` survives a crash of Thane; `full` a power cut too, at a cost for each turn."""
    readers: Count = 2
    """Connections that read at the same time."""
    cache_bytes: Count = 4_194_304
    """Memory for pages of the database, for the connection that writes. It fills up and stays."""
    reader_cache_bytes: Count = 1_048_576
    """The same for each connection that reads: what it lacks, the system most likely has in memory."""
    queue_writes: Count = 10_000
    """Writes that may wait for the disk before new turns are refused."""
    busy_timeout_seconds: Seconds = 5.0
    """Longest wait for another program (a backup, a shell) that has locked the database."""
    close_timeout_seconds: Seconds = 10.0
    """Longest wait for the last writes when Thane ends."""
    max_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Most that the database takes on the disk, about; what is oldest makes room. 0 sets no limit."""
    spare_bytes: Annotated[int, msgspec.Meta(ge=0)] = 16_777_216
    """Unused room that the database keeps for what comes next; more is given back to the disk."""
    min_free_bytes: Annotated[int, msgspec.Meta(ge=0)] = 33_554_432
    """With less room than this on the disk, new turns are refused; those that run may end. 0 waits until it is full."""
    room_seconds: Seconds = 5.0
    """Pause between two looks at how much room there is."""


class Archive(Section, frozen=True):
    keep_days: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Sessions that ended longer ago are deleted with all that was said and done in them; 0 keeps them for ever."""
    spare_days: Annotated[float, msgspec.Meta(ge=0)] = 7.0
    """Sessions that ended less long ago are kept whatever `storage.max_bytes` says."""
    metadata_model: str = ""
    """The model that titles and summarises sessions; empty is the cheapest one that is able."""
    summarize_interval: Seconds = 300.0
    """Pause, in seconds, between two looks for sessions that have no summary."""
    summarize_timeout: Seconds = 60.0
    """Longest time, in seconds, for one summary."""
    summarize_batch: Count = 10
    """Sessions that are summarised at each look."""
    summarize_pause_seconds: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """Pause between two summaries, so that they do not keep a model from its users."""
    summarize_chars: Count = 8000
    """How much of a session a model is given to summarise it: its beginning and its end."""
    session_idle_minutes: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    """A session ends after this long without a word; what comes then begins a new one. 0 never ends one for that."""
    handoff_chars: Count = 2000
    """Longest note that a session may leave to the next."""
    search_candidates: Count = 1000
    """The newest matches of a search that are ranked."""
    search_snippet_words: Annotated[int, msgspec.Meta(ge=1, le=64)] = 32
    """Longest snippet of a search result, in words."""
    search_context_messages: Annotated[int, msgspec.Meta(ge=0)] = 50
    """Most messages of the surrounding exchange that are given before and after a search result."""
    search_context_seconds: Seconds = 3600.0
    """How far before and after a search result its surrounding exchange reaches at most."""
    search_silence_seconds: Seconds = 600.0
    """A pause this long ends the surrounding exchange of a search result."""


class Facts(Section, frozen=True):
    enabled: bool = True
    """Give models the tools `remember_fact`, `recall_fact` and `forget_fact`, and tell them what is remembered."""
    prompt_facts: Annotated[int, msgspec.Meta(ge=0)] = 10
    """Most facts that a model is told with a turn; 0 tells none, then they are only looked up."""
    prompt_chars: Count = 1500
    """Most characters of them."""
    recall_facts: Count = 20
    """Most facts that `recall_fact` answers with."""
    most: Count = 2000
    """Most facts that hold for one person, for one conversation, and for the house."""
    key_chars: Count = 100
    """Most characters of a fact's name."""
    value_chars: Count = 1000
    """Most characters of what it says."""
    shown_uses: Count = 100
    """Most runs that are listed as users of a fact; the latest ones."""
    meaning_facts: Count = 2000
    """The newest facts among which one is looked for by its meaning, where `embeddings.enabled`."""
    meaning_batch: Count = 64
    """Most facts whose meaning is asked for in one go; what is left follows with the next question."""
    meaning_seconds: Seconds = 2.0
    """Longest wait for the model that knows meanings; then only words count."""
    least_likeness: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.6
    """How near (cosine) a fact's meaning has to be to a question."""


class Extraction(Section, frozen=True):
    enabled: bool = False
    """After a turn, have a model look for facts worth remembering."""
    model: str = ""
    """The model that does it; empty is the cheapest that is able."""
    min_messages: Count = 2
    """Messages that a conversation must have before it is looked at."""
    timeout_seconds: Seconds = 30.0
    """Longest time for one look."""
    chars: Count = 6000
    """Characters of the conversation's end that are looked at."""
    most_facts: Count = 8
    """Most facts that one look may yield."""


class Checkpoints(Section, frozen=True):
    every_messages: Annotated[int, msgspec.Meta(ge=0)] = 50
    """A checkpoint is made once there are this many new messages; 0 makes none for that."""
    least_seconds: Seconds = 300.0
    """Least pause between two checkpoints that Thane makes by itself."""
    at_shutdown: bool = True
    """Make a checkpoint when Thane ends."""
    shutdown_seconds: Seconds = 5.0
    """Longest time for the checkpoint at the end."""
    restore_seconds: Seconds = 120.0
    """Longest wait for a restore."""
    keep: Count = 20
    """The newest checkpoints made by Thane itself that are kept; those that people made stay until they are deleted."""
    import_bytes: Count = 1_073_741_824
    """Largest checkpoint that is taken from a file, unpacked."""


class Logging(Section, frozen=True):
    dir: str = ""
    """Folder of log files; empty logs to standard error only."""
    level: Literal["trace", "debug", "info", "warn", "warning", "error"] = "info"
    """Least level that is logged."""
    format: Literal["auto", "json", "text"] = "auto"
    """`text` is for people, `json` for programs; `auto` is text on a terminal."""
    compress: bool = True
    """Pack log files once they are no longer written to."""
    retention_days: Count = 7
    """How long log files are kept, and in the index lines below `info`."""
    file_bytes: Count = 50_000_000
    """Size at which a log file is put away before its day is over."""
    index_level: Literal["trace", "debug", "info", "warn", "warning", "error"] = "debug"
    """Least level of the lines that are kept in the database, where the dashboard and the API find them."""
    index_days: Count = 90
    """How long lines of the level `info` and above are kept in the database."""
    index_rows: Annotated[int, msgspec.Meta(ge=0)] = 200_000
    """Lines kept in the database; 0 keeps none."""
    queue_lines: Count = 4096
    """Lines that may wait to be kept; more are dropped and counted."""
    line_chars: Count = 8000
    """Longest message, and longest attributes, of a line that is kept."""
    flush_seconds: Seconds = 0.25
    """How long lines are collected before they are written together."""
    write_seconds: Seconds = 5.0
    """Longest wait for collected lines to be written when Thane ends."""
