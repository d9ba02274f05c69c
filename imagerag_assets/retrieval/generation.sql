-- The tables of one generation. {schema} is filled in as an identifier, the dimensions as integers.

create schema {schema};

create table {schema}.images (
    image_id     bigint generated always as identity primary key,
    collection   text not null,
    content      text not null,
    group_id     text not null,             -- the canonical content of the image's duplicates
    uris         text[] not null,           -- every file of the collection that has these bytes
    width        integer not null,
    height       integer not null,
    description  text not null,
    category     text not null,
    tags         text[] not null,
    ocr          text not null,
    metadata     jsonb not null,
    terms        integer not null,          -- document length for BM25
    sample       integer not null,          -- pseudo-random order, for a leg's background scores
    confidence   real,                      -- of the description, 0 to 1; null when nothing is known of it
    trust        real not null,             -- what the description counts in a search: less than 1 when flagged
    digest       text not null,             -- of everything the row was made from
    embedding    vector({text_dimension}),  -- of the description; null when it has none
    unique (collection, content)
);
create index on {schema}.images (sample);
create index on {schema}.images (group_id);
create index on {schema}.images using gin (metadata);
create index on {schema}.images using gin (tags);

create table {schema}.tiles (
    image_id     bigint not null references {schema}.images on delete cascade,
    tile_no      integer not null,
    x0 integer not null, y0 integer not null, x1 integer not null, y1 integer not null,
    embedding    vector({image_dimension}) not null,
    primary key (image_id, tile_no)
);

-- The inverted index of the lexical leg.
create table {schema}.postings (
    term         text not null,
    image_id     bigint not null references {schema}.images on delete cascade,
    frequency    real not null,
    primary key (term, image_id)
);
create index on {schema}.postings (image_id);

-- How many images of a collection have a term: a word is rare or common where it is searched.
create table {schema}.terms (
    term         text not null,
    collection   text not null,
    documents    integer not null,
    primary key (term, collection)
);
