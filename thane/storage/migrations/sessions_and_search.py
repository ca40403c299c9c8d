"""Sessions of conversations, and the indexes by which what was said is found again.

`messages_words` is kept by triggers, whoever writes `messages`. `words` has each longer word once, for finding the
word that a misspelt one was meant to be; `words_trigrams` is kept by triggers of its own.
"""

from __future__ import annotations

STATEMENTS = (
    """
    create table sessions (
        id text primary key,
        conversation_id text not null,
        started_at real not null,
        last_at real not null,
        ended_at real,
        end_reason text not null,
        title text not null,
        summary text not null,
        tags text not null,
        metadata text not null,
        handoff text not null,
        parent_session_id text not null,
        parent_tool_call_id text not null
    ) strict, without rowid
    """,
    "create index sessions_by_conversation on sessions (conversation_id, started_at, id)",
    "create index sessions_by_start on sessions (started_at, id)",
    "create unique index sessions_open on sessions (conversation_id) where ended_at is null",
    "create index sessions_bare on sessions (ended_at) where summary = '' and ended_at is not null",
    "create index sessions_handing_over on sessions (conversation_id) where handoff <> ''",
    "alter table messages add column session_id text not null default ''",
    # What was said before sessions were kept is one session of its conversation, which goes on.
    """
    insert into sessions
    select 's_' || conversation_id, conversation_id, min(at), max(at), null, '', '', '', '[]', '{}', '', '', ''
    from messages group by conversation_id
    """,
    "update messages set session_id = 's_' || conversation_id",
    "create index messages_by_session on messages (session_id, number)",
    "create index messages_by_time on messages (at, number)",
    "create index tool_calls_by_start on tool_calls (started_at, run_id, place)",
    "create index tool_calls_by_name on tool_calls (name, started_at)",
    """
    create virtual table messages_words using fts5 (
        content, content = 'messages', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2',
        prefix = '2 3'
    )
    """,
    """
    create trigger messages_words_insert after insert on messages begin
        insert into messages_words (rowid, content) values (new.number, new.content);
    end
    """,
    """
    create trigger messages_words_delete after delete on messages begin
        insert into messages_words (messages_words, rowid, content) values ('delete', old.number, old.content);
    end
    """,
    """
    create trigger messages_words_update after update of content on messages begin
        insert into messages_words (messages_words, rowid, content) values ('delete', old.number, old.content);
        insert into messages_words (rowid, content) values (new.number, new.content);
    end
    """,
    "insert into messages_words (messages_words) values ('rebuild')",
    "create table words (number integer primary key, word text not null unique) strict",
    """
    create virtual table words_trigrams using fts5 (
        word, content = 'words', content_rowid = 'number', tokenize = 'trigram', detail = 'none'
    )
    """,
    """
    create trigger words_trigrams_insert after insert on words begin
        insert into words_trigrams (rowid, word) values (new.number, new.word);
    end
    """,
    """
    create trigger words_trigrams_delete after delete on words begin
        insert into words_trigrams (words_trigrams, rowid, word) values ('delete', old.number, old.word);
    end
    """,
    "create virtual table messages_vocabulary using fts5vocab ('messages_words', 'row')",
    """
    insert into words (word)
    select term from messages_vocabulary where length(term) between 4 and 32 and term glob '[^0-9]*'
    """,
    "drop table messages_vocabulary",
)
