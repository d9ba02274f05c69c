-- Sketches: a short form of every image's vector, so that a new image is compared without reading all vectors again.

create table sketch_bases (
    basis        integer generated always as identity primary key,
    clip         text not null unique,      -- fingerprint of the vectors
    images       integer not null,          -- how many there were when it was made
    dimension    integer not null,
    numbers      bytea not null             -- float32, dimension × directions
);

create table image_sketches (
    content      text primary key,
    basis        integer not null references sketch_bases on delete cascade,
    sketch       bytea not null             -- float16, directions + 1
);
create index image_sketches_basis on image_sketches (basis);
