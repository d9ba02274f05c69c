-- How far each description can be trusted, and from what; see docs/trust.md.

-- What was said, as a vector of the image–text space: without what is read, which a dual encoder cannot see.
create table said_embeddings (
    content      text not null,
    context      text not null,
    model        text not null,             -- the dual encoder
    fingerprint  text not null,
    inputs       text not null,             -- digest of what was said
    embedding    vector not null,
    primary key (content, context, model)
);

-- A second model's word on a description.
create table description_judgements (
    content      text not null,
    context      text not null,
    fingerprint  text not null,
    inputs       text not null,             -- digest of the description that was judged
    model        text not null,
    verdict      text not null check (verdict in ('supported', 'doubtful', 'contradicted')),
    wrong        text[] not null,           -- its words that the image contradicts
    primary key (content, context)
);

-- What a collection measured on its mismatched pairs: Beta(a, b) is the share of them that beat a right description.
create table trust_calibrations (
    collection   text not null,
    model        text not null,
    fingerprint  text not null,
    measured     text not null,             -- changes with every measurement
    sample       text[] not null,           -- the items whose pairs are compared with
    seen         bigint[] not null,         -- hashes of the sample's descriptions and texts: what changed since
    image_a      double precision not null,
    image_b      double precision not null,
    text_a       double precision not null,
    text_b       double precision not null,
    text_missed  double precision not null, -- share of right descriptions whose text OCR reads otherwise or not at all
    primary key (collection, model)
);

create table description_confidence (
    content      text not null,
    context      text not null,
    model        text not null,             -- the dual encoder
    fingerprint  text not null,
    inputs       text not null,             -- digest of the description, the text, the judgement and the calibration
    described    text not null,             -- digest of the description alone
    confidence   real,                      -- 0 to 1; null when no signal says anything
    by_image     real,                      -- the confidence by this signal alone; null when it is absent
    by_text      real,
    by_judge     real,
    image_beaten real,                      -- share of mismatched pairs that go better together
    text_beaten  real,
    primary key (content, context, model)
);

-- Descriptions that a stronger model made anew, with what was there before.
create table description_escalations (
    content      text not null,
    context      text not null,
    fingerprint  text not null,
    inputs       text not null,             -- digest of the text that the describer was told
    model        text not null,
    confidence   real,                      -- of what was there before
    before       jsonb not null,            -- the row of vlm_descriptions
    at           timestamptz not null default now(),
    primary key (content, context, fingerprint, inputs)
);
