-- The tables of one generation, without the indexes that are built once they are filled (indexes.sql). {schema} is
-- filled in as an identifier, the dimensions as integers.

create schema {schema};

create table {schema}.images (
    -- What filters and scores read comes first, the long texts last: Postgres unpacks a row up to what is asked of it.
    image_id     bigint generated always as identity primary key,
    width        integer not null,
    height       integer not null,
    terms        integer not null,          -- document length for BM25
    sample       integer not null,          -- pseudo-random order, for a leg's background scores
    trust        real not null,             -- what the description counts in a search: less than 1 when flagged
    collection   text not null,
    metadata     jsonb not null,
    content      text not null,
    group_id     text not null,             -- the canonical content of the image's duplicates
    uris         text[] not null,           -- every file of the collection that has these bytes
    category     text not null,
    tags         text[] not null,
    confidence   real,                      -- of the description, 0 to 1; null when nothing is known of it
    description  text not null,
    ocr          text not null,
    digest       text not null,             -- of everything the row was made from
    unique (collection, content)
);

-- Vectors stand apart from the words, and in the row where a page has room for them: read in their thousands, a vector
-- that has to be fetched from beside the table costs five times as much.
create table {schema}.descriptions (
    image_id     bigint primary key references {schema}.images on delete cascade,
    embedding    vector({text_dimension}) not null
);
alter table {schema}.descriptions alter embedding set storage {text_storage};

create table {schema}.tiles (
    image_id     bigint not null references {schema}.images on delete cascade,
    tile_no      integer not null,
    x0 integer not null, y0 integer not null, x1 integer not null, y1 integer not null,
    embedding    vector({image_dimension}) not null,
    primary key (image_id, tile_no)
);
alter table {schema}.tiles alter embedding set storage {image_storage};

-- The inverted index of the lexical leg.
create table {schema}.postings (
    term         text not null,
    image_id     bigint not null,           -- no foreign key: millions of rows would be checked one by one
    frequency    real not null,
    terms        integer not null           -- the document's length, as in images
);

-- How many images of a collection have a term: a word is rare or common where it is searched.
create table {schema}.terms (
    term         text not null,
    collection   text not null,
    documents    integer not null,
    primary key (term, collection)
);

-- How large a collection is, for statements that look at few of its images.
create table {schema}.collections (
    collection   text primary key,
    documents    bigint not null,
    terms        bigint not null
);
