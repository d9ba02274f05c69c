-- Studies: what was found out about the live index, kept until something that it depends on changes.

create table studies (
    study        text primary key,
    fingerprint  text not null,             -- of everything that the result depends on
    result       jsonb not null,
    made_at      timestamptz not null default now()
);

-- An embedder under comparison is evaluated like a generation and is none: it has no tables, and is never searched.
alter table generations drop constraint generations_status_check;
alter table generations add constraint generations_status_check
    check (status in ('building', 'candidate', 'live', 'retired', 'dropped', 'compared'));
