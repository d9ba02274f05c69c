-- What is built once a generation has its first rows: faster than row by row, and for postings in the order of terms.

create index on {schema}.images (sample, image_id);
create index on {schema}.images (group_id);
create index on {schema}.images using gin (metadata jsonb_path_ops);
create index on {schema}.images using gin (tags);
create index on {schema}.images (category);
-- With all that a score needs, so that the table itself is not read.
alter table {schema}.postings add primary key (term, image_id) include (frequency, terms);
create index on {schema}.postings (image_id);
-- Graphs hold their vectors in 16 bits: half the size, three quarters of the time, and the same ones found. Scores are of
-- the rows' own, in 32, and so is every comparison without a graph. The view imagerag_live has vectors of no fixed
-- dimension: what is ordered through it has that cast, too, and finds these indexes by it.
create index tiles_hnsw on {schema}.tiles using hnsw ((embedding::vector::halfvec({image_dimension})) halfvec_cosine_ops)
    with (m = {m}, ef_construction = {ef_construction});
create index descriptions_hnsw on {schema}.descriptions
    using hnsw ((embedding::vector::halfvec({text_dimension})) halfvec_cosine_ops)
    with (m = {m}, ef_construction = {ef_construction});
