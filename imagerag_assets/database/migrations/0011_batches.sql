-- Descriptions that are asked for by the Batch API: what was handed in and has not come back.

create table description_batches (
    batch        uuid primary key,        -- ours, known before the server's: the server keeps it as metadata
    run_id       text not null,           -- the run whose budget pays
    fingerprint  text not null,
    preset       text not null,
    model        text not null,
    address      text not null,
    requests     integer not null,
    -- uploading: nothing is asked for yet. creating: the server may have it. out: it has. ended: all is settled.
    state        text not null check (state in ('uploading', 'creating', 'out', 'ended')),
    input_file   text,
    server_batch text,                    -- the server's name for it
    reason       text not null default '',
    created_at   timestamptz not null default now(),
    changed_at   timestamptz not null default now()
);

-- One row per request that is out; it goes in the transaction that saves what came of it.
create table description_batch_items (
    batch        uuid not null references description_batches on delete cascade,
    number       integer not null,
    item         text not null,
    collection   text not null,           -- whose budget pays
    fingerprint  text not null,
    inputs       text not null,
    usd          numeric(14, 8) not null, -- held against the budgets: what it may cost
    primary key (batch, number),
    -- Nothing is asked for twice.
    unique (item, fingerprint, inputs)
);

alter table model_calls add column batch uuid;
-- What a batch brings took hours, whatever each call took.
alter table model_calls alter column latency_ms drop not null;
