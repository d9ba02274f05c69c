-- Any two evaluations compare, and what differs between them is told: the code and the benchmarks that each was made with.
-- Null in evaluations from before.
alter table evaluations
    add column package_version text,
    add column search_version  integer,     -- of the search code, as in the fingerprint
    add column metrics_version integer,     -- of what dbt computes
    add column benchmarks      jsonb;       -- {"shop": digest, …}
