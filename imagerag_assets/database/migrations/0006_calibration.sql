-- What each collection of a generation measured of its search legs; see docs/fusion.md.

create table leg_calibrations (
    generation         integer not null references generations on delete cascade,
    collection         text not null,
    version            integer not null,
    images             integer not null,            -- when it was measured
    seen               bigint[] not null,           -- hashes of the words of a sample of them: what changed since
    -- Evidence: what a point of similarity is worth, and how often the leg knows anything.
    clip_scale         double precision not null,
    clip_knows         double precision not null,
    description_scale  double precision not null,
    -- Relevance: medians and spreads of the best results of queries that have no answer.
    clip_median        double precision not null,
    clip_spread        double precision not null,
    description_median double precision not null,
    description_spread double precision not null,
    text_median        double precision not null,
    text_spread        double precision not null,
    best_median        double precision not null,   -- of the three together
    best_spread        double precision not null,
    primary key (generation, collection)
);
