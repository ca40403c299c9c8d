"""How many messages there are of each role is counted as they come and go, and rare roles can be listed.

Counting them when they are asked for read every row: most of a second for a million. `messages_of_rare_roles` is for
the search, and costs a turn nothing: what people and models say is not in it.
"""

from __future__ import annotations

STATEMENTS = (
    "create table message_counts (role text primary key, count integer not null) strict, without rowid",
    "insert into message_counts values ('system', 0), ('user', 0), ('assistant', 0), ('tool', 0)",
    "insert or replace into message_counts select role, count(*) from messages group by role",
    """
    create trigger message_counts_insert after insert on messages begin
        update message_counts set count = count + 1 where role = new.role;
    end
    """,
    """
    create trigger message_counts_delete after delete on messages begin
        update message_counts set count = count - 1 where role = old.role;
    end
    """,
    """
    create trigger message_counts_update after update of role on messages begin
        update message_counts set count = count - 1 where role = old.role;
        update message_counts set count = count + 1 where role = new.role;
    end
    """,
    "create index messages_of_rare_roles on messages (role) where role not in ('user', 'assistant')",
)
