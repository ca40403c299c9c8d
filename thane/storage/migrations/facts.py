"""Facts: what is remembered of persons, conversations and the house, with what became of it and who used it.

`facts_words` is kept by triggers, whoever writes `facts`; facts of a conversation go with it.
"""

from __future__ import annotations

STATEMENTS = (
    """
    create table facts (
        number integer primary key,
        id text not null unique,
        scope text not null,
        subject text not null,
        category text not null,
        key text not null,
        value text not null,
        source text not null,
        run_id text not null,
        confidence real not null,
        created_at real not null,
        updated_at real not null,
        valid_from real,
        valid_until real,
        state text not null,
        superseded_by text not null
    ) strict
    """,
    "create unique index facts_current on facts (scope, subject, category, key) where state = 'current'",
    "create index facts_by_update on facts (updated_at, id)",
    "create index facts_by_subject on facts (scope, subject, state)",
    """
    create virtual table facts_words using fts5 (
        category, key, value, content = 'facts', content_rowid = 'number',
        tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    )
    """,
    """
    create trigger facts_words_insert after insert on facts begin
        insert into facts_words (rowid, category, key, value) values (new.number, new.category, new.key, new.value);
    end
    """,
    """
    create trigger facts_words_delete after delete on facts begin
        insert into facts_words (facts_words, rowid, category, key, value)
        values ('delete', old.number, old.category, old.key, old.value);
    end
    """,
    """
    create trigger facts_words_update after update of category, key, value on facts begin
        insert into facts_words (facts_words, rowid, category, key, value)
        values ('delete', old.number, old.category, old.key, old.value);
        insert into facts_words (rowid, category, key, value) values (new.number, new.category, new.key, new.value);
    end
    """,
    """
    create table fact_uses (
        fact_id text not null,
        run_id text not null,
        how text not null,
        at real not null,
        primary key (fact_id, run_id, how)
    ) strict, without rowid
    """,
    "create index fact_uses_by_run on fact_uses (run_id)",
    "create table fact_vectors (fact_id text primary key, model text not null, vector blob not null) strict",
    """
    create trigger facts_gone after delete on facts begin
        delete from fact_uses where fact_id = old.id;
        delete from fact_vectors where fact_id = old.id;
    end
    """,
    """
    create trigger facts_of_conversation after delete on conversations begin
        delete from facts where scope = 'conversation' and subject = old.id;
    end
    """,
)
