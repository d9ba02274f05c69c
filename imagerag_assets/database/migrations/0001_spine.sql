-- One table per stage. A stage's rows carry the fingerprint of what made them, so what is pending is an anti-join.

create table raw_images (
    collection   text not null,
    uri          text not null,             -- the path inside the collection's source; a benchmark's corpus-id
    content      text not null,             -- sha256 of the bytes, hexadecimal
    size_bytes   bigint not null,
    modified_ns  bigint not null,
    fingerprint  text not null,
    first_seen   timestamptz not null default now(),
    changed_at   timestamptz not null default now(),
    removed_at   timestamptz,
    primary key (collection, uri)
);
create index raw_images_content on raw_images (content) where removed_at is null;

-- What is known of the bytes themselves, whatever their names.
create table contents (
    content      text primary key,
    shard        smallint not null generated always as (get_byte(decode(content, 'hex'), 0)) stored,
    fingerprint  text not null,
    format       text not null,
    mode         text not null,
    width        integer not null check (width > 0),      -- upright, after EXIF orientation
    height       integer not null check (height > 0),
    size_bytes   bigint not null,
    exif         jsonb not null,
    phash        bit(64) not null,
    dhash        bit(64) not null,
    colours      bytea not null,            -- mean chroma of 4 × 4 cells
    thumbnail    bytea not null
);

create table quarantine (
    collection   text not null,
    uri          text not null,
    content      text,                      -- null when not even the bytes could be read
    size_bytes   bigint not null,
    modified_ns  bigint not null,
    fingerprint  text not null,
    reason       text not null,
    message      text not null,
    first_seen   timestamptz not null default now(),
    last_seen    timestamptz not null default now(),
    primary key (collection, uri)
);

create view live_contents as
    select c.content, c.shard, c.width, c.height, c.size_bytes, c.phash, c.dhash, c.colours, c.fingerprint
    from contents c
    where exists (select from raw_images r where r.content = c.content and r.removed_at is null);

create table stage_failures (
    stage        text not null,
    item         text not null,
    fingerprint  text not null,
    error_class  text not null,
    message      text not null,
    attempts     integer not null default 1,
    first_try    timestamptz not null default now(),
    last_try     timestamptz not null default now(),
    next_try     timestamptz not null,
    primary key (stage, item)
);

create table tiles (
    content      text not null,
    tile_no      integer not null,          -- 0 is the whole image
    level        smallint not null,
    x0 integer not null, y0 integer not null, x1 integer not null, y1 integer not null,
    fingerprint  text not null,
    primary key (content, tile_no),
    check (x0 >= 0 and y0 >= 0 and x1 > x0 and y1 > y0)
);

create table ocr_text (
    content         text primary key,
    fingerprint     text not null,
    text            text not null,
    words           jsonb not null,         -- [[text, x0, y0, x1, y1, confidence], …] in upright pixels
    mean_confidence real,                   -- 0 to 1; null when nothing was read
    languages       text[] not null
);

create table vlm_descriptions (
    content      text not null,
    context      text not null,             -- hash of what the describer was told of the collection
    fingerprint  text not null,
    model        text not null,
    general      text not null,
    key_elements text[] not null,
    visible_text text not null,
    category     text not null,
    tags         text[] not null,
    confidence   real,
    tokens_in    integer not null default 0,
    tokens_out   integer not null default 0,
    cost_usd     numeric(12, 6) not null default 0,
    primary key (content, context)
);

create table description_embeddings (
    content      text not null,
    context      text not null,
    fingerprint  text not null,
    embedding    vector not null,           -- no fixed dimension here: a generation's own table has it
    primary key (content, context)
);

create table clip_embeddings (
    content      text not null,
    tile_no      integer not null,
    model        text not null,
    fingerprint  text not null,
    embedding    vector not null,
    primary key (content, tile_no, model)
);

create table deduped_set (
    content      text primary key,
    canonical    text not null,             -- the group's name is its canonical image
    relation     text not null check (relation in ('canonical', 'perceptual', 'semantic')),
    distance     real not null,             -- to the canonical image: Hamming bits, or 1 − cosine
    fingerprint  text not null
);
create index deduped_set_canonical on deduped_set (canonical);

create table generations (
    generation   integer generated always as identity primary key,
    fingerprint  text not null unique,
    status       text not null check (status in ('building', 'live', 'retired')),
    parameters   jsonb not null,
    created_at   timestamptz not null default now(),
    live_at      timestamptz
);
create unique index generations_one_live on generations (status) where status = 'live';

create table benchmarks (
    benchmark    text primary key,          -- the collection's name
    digest       text not null,             -- of the files' bytes
    loaded_at    timestamptz not null default now()
);

create table benchmark_queries (
    benchmark    text not null references benchmarks on delete cascade,
    query_id     text not null,
    text         text not null,
    image        text,                      -- absolute path of an example picture
    kind         text not null,
    language     text not null,
    primary key (benchmark, query_id)
);

create table qrels (
    benchmark    text not null,
    query_id     text not null,
    corpus_id    text not null,             -- raw_images.uri
    score        integer not null,
    primary key (benchmark, query_id, corpus_id),
    foreign key (benchmark, query_id) references benchmark_queries on delete cascade
);

-- One evaluation: every method on every query of every benchmark, against one state of one generation.
create table evaluations (
    evaluation   integer generated always as identity primary key,
    fingerprint  text not null,
    generation   integer not null references generations,
    run_id       text not null,             -- of the Dagster run
    created_at   timestamptz not null default now()
);

create table retrieval_runs (
    evaluation   integer not null references evaluations on delete cascade,
    benchmark    text not null,
    method       text not null,
    query_id     text not null,
    rank         integer not null check (rank >= 1),
    corpus_id    text not null,
    group_id     text not null,             -- canonical content of the image's duplicates
    score        double precision not null,
    legs         jsonb not null,            -- {"clip": {"rank": 1, "score": 0.31}, …}
    primary key (evaluation, benchmark, method, query_id, rank)
);

create table query_latencies (
    evaluation   integer not null references evaluations on delete cascade,
    benchmark    text not null,
    method       text not null,
    query_id     text not null,
    milliseconds double precision not null, -- encoding the query and the statement, models warm
    primary key (evaluation, benchmark, method, query_id)
);

-- The duplicates' group of every file, so that a near-duplicate of a relevant image counts once.
create view corpus_groups as
    select r.collection, r.uri, r.content, coalesce(d.canonical, r.content) as group_id
    from raw_images r
    left join deduped_set d on d.content = r.content
    where r.removed_at is null;
