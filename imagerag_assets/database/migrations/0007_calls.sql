-- Every call of a paid or local language model: what it cost and what came of it. One row per request, retries included.

create table model_calls (
    call          bigint generated always as identity primary key,
    at            timestamptz not null default now(),
    stage         text not null,
    item          text not null,
    collection    text not null,          -- whose budget paid: the first collection that has the item
    run_id        text not null,
    preset        text not null,
    model         text not null,
    attempt       integer not null check (attempt >= 1),
    outcome       text not null,
    tokens_in     integer,                -- null where the server does not tell
    tokens_out    integer,
    tokens_cached integer,                -- of tokens_in
    cost_usd      numeric(14, 8),         -- null where the model has no known price or the answer got lost
    latency_ms    double precision not null
);
create index model_calls_at on model_calls (at);
create index model_calls_run on model_calls (run_id);
create index model_calls_collection on model_calls (collection);

-- The stages whose last run ended because a budget was reached.
create table budget_stops (
    stage         text primary key,
    run_id        text not null,
    reason        text not null,
    at            timestamptz not null default now()
);

-- What a description cost is not known for every model.
alter table vlm_descriptions alter column cost_usd drop not null;
