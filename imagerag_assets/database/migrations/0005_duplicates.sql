-- Duplicates are kept as near pairs, so that a new image is compared with the others once and groups can be made again
-- from the pairs alone. What people say about pairs is kept apart and for ever.

create table compared_images (
    content      text primary key,
    fingerprint  text not null,             -- of the rules, the hashes' and the models' versions
    inputs       text not null,             -- what the comparison saw of this image: another value, another comparison
    first_seen   timestamptz not null
);

create table near_pairs (
    a            text not null,
    b            text not null,
    fingerprint  text not null,
    relation     text not null check (relation in ('perceptual', 'semantic')),
    similarity   real not null,             -- of the thumbnails laid over each other: 1 is the same picture
    linked       boolean not null,          -- the same picture; otherwise only near enough to share a group
    primary key (a, b),
    check (a < b)
);
create index near_pairs_b on near_pairs (b);

create table duplicate_decisions (
    decision     integer generated always as identity primary key,
    a            text not null,             -- contents, so that a decision outlives renames and moves
    b            text not null,
    verdict      text not null check (verdict in ('same', 'different')),
    decided_by   text not null,
    reason       text not null,
    decided_at   timestamptz not null default now(),
    undone_by    text,
    undone_at    timestamptz,
    check (a < b)
);
create unique index duplicate_decisions_active on duplicate_decisions (a, b) where undone_at is null;

alter table deduped_set drop constraint deduped_set_relation_check;
alter table deduped_set add constraint deduped_set_relation_check
    check (relation in ('canonical', 'perceptual', 'semantic', 'joined'));
comment on column deduped_set.distance is '1 − similarity to the canonical image; 1 where only a decision ties it';
comment on column deduped_set.fingerprint is 'of the grouping; empty while a comparison waits to be grouped';
