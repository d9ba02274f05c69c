-- Who may call the HTTP API, and what came in by it.

create table api_keys (
    key_id       text primary key,          -- the public part of a key: names it in lists and logs
    name         text not null,
    hash         bytea not null,            -- sha256 of the whole key
    scopes       text[] not null check (scopes <@ array['read', 'write'] and cardinality(scopes) > 0),
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,               -- to the minute
    revoked_at   timestamptz
);
create unique index api_keys_name on api_keys (name) where revoked_at is null;

-- A file that was put into a collection's source. What became of it is in the stages' own tables.
create table uploads (
    upload       uuid primary key default gen_random_uuid(),
    collection   text not null,
    uri          text not null,
    content      text not null,             -- sha256 of the file's bytes
    contents     text[] not null,           -- those of its images: one for each page
    key_id       text,                      -- null where authentication is off, and for the web page's
    at           timestamptz not null default now(),
    unique (collection, uri)
);
