-- Sources other than folders: what changes when a file does is a time, an etag or unknown, and so is its size.

alter table raw_images
    alter column size_bytes drop not null,
    add column version text,
    add column metadata jsonb not null default '{}',        -- from the manifest's columns and the file's sidecar
    add column metadata_version text not null default '';   -- changes when either does
update raw_images set version = modified_ns::text;
alter table raw_images alter column version set not null, drop column modified_ns;

alter table quarantine
    alter column size_bytes drop not null,
    add column version text;                                -- '' when unknown: the file is tried again at every run
update quarantine set version = modified_ns::text;
alter table quarantine alter column version set not null, drop column modified_ns;

-- One row per collection and run: whatever the listing showed is an image, in quarantine, ignored or a sidecar.
create table scans (
    scan         bigint generated always as identity primary key,
    collection   text not null,
    started_at   timestamptz not null,
    listed       bigint not null,
    images       bigint not null,           -- files that are live images now, the unchanged among them
    unchanged    bigint not null,
    quarantined  bigint not null,
    ignored      bigint not null,
    sidecars     bigint not null,
    removed      bigint not null,
    ignored_why  jsonb not null             -- {"hidden": 3, "pattern": 10, …}
);
create index scans_newest on scans (collection, scan desc);
