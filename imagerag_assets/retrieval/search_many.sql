-- The forms of search.sql's parts where many images pass the filters: vectors by HNSW, words by their rarest first.

-- materialized
not materialized

-- corpus
select w.documents * %(share)s as documents, w.mean_terms from whole w

-- text_leg
-- The MaxScore of Turtle & Flood (1995): a document that has none of the essential terms cannot reach the hits, as long as
-- what the others can add at most (idf * (k1 + 1) each) stays below the last hit's score. How many terms are essential
-- is guessed by what a document with one of them scores about, its idf, and `holds` says whether the guess was right.
ordered as (
    select term, idf, sum(documents) over w * %(share)s as seen, documents,
           (%(k1)s + 1) * (sum(idf) over () - sum(idf) over w) as rest
    from query_terms where documents > 0 window w as (order by idf desc, term)
),
split as materialized (
    select term, idf, coalesce(
        seen - documents * %(share)s < {text_candidates}
        or rest + (%(k1)s + 1) * idf
           >= (select max(o.idf) from ordered o where o.seen >= {text_candidates}), true) as essential
    from ordered
),
part as materialized (
    select p.image_id,
           sum(q.idf * p.frequency * (%(k1)s + 1)
               / (p.frequency + %(k1)s * (1 - %(b)s + %(b)s * p.terms / c.mean_terms)))::float8 as score
    from split q
    join {postings} p using (term)
    cross join whole c
    {only_filtered}
    where q.essential
    group by p.image_id
),
bound as materialized (
    select coalesce((%(k1)s + 1) * sum(s.idf) filter (where not s.essential), 0) as rest,
           (select score from part order by score desc offset {text_candidates} - 1 limit 1) as last
    from split s
),
holds as materialized (select coalesce(rest = 0 or last > rest, false) as holds from bound),
text_scores as materialized (
    select p.image_id, p.score + coalesce(o.score, 0) as score
    from part p
    cross join bound
    cross join lateral (
        select sum(q.idf * o.frequency * (%(k1)s + 1)
                   / (o.frequency + %(k1)s * (1 - %(b)s + %(b)s * o.terms / c.mean_terms)))::float8 as score
        from split q
        join {postings} o on o.term = q.term and o.image_id = p.image_id
        cross join whole c
        where not q.essential) o
    where (select holds from holds) and p.score + bound.rest >= coalesce(bound.last, 0)
    union all
    select p.image_id,
           sum(q.idf * p.frequency * (%(k1)s + 1)
               / (p.frequency + %(k1)s * (1 - %(b)s + %(b)s * p.terms / c.mean_terms)))::float8
    from split q
    join {postings} p using (term)
    cross join whole c
    {only_filtered}
    where not (select holds from holds)
    group by p.image_id
),
text_hits as (
    select image_id from text_scores {only_filtered} order by score desc, image_id limit {text_candidates}
)

-- sampled
sampled as (select image_id from filtered order by sample, image_id limit {background})

-- clip_leg
clip_hits as (
    select n.image_id from (
        select e.image_id, e.embedding <=> %(clip_vector)s::vector as distance from {tiles} e
        where %(clip_vector)s::vector is not null
        order by e.embedding::vector::halfvec({image_dimension}) <=> %(clip_vector)s::halfvec({image_dimension}) limit {depth}) n
    group by n.image_id order by min(n.distance), n.image_id limit {candidates}
)

-- description_leg
description_hits as (
    select e.image_id from {descriptions} e
    where %(text_vector)s::vector is not null
    order by e.embedding::vector::halfvec({text_dimension}) <=> %(text_vector)s::halfvec({text_dimension}) limit {candidates}
)

-- filtered_clip_leg
-- The nearest of all, and which of them pass. Enough, and they are the nearest that pass; too few, because the filter is
-- selective or holds elsewhere, and all that pass are compared: an iterative scan would go on to find some, not the best.
near_tiles as materialized (
    select n.image_id from (
        select e.image_id, e.embedding <=> %(clip_vector)s::vector as distance from {tiles} e
        where %(clip_vector)s::vector is not null
        order by e.embedding::vector::halfvec({image_dimension}) <=> %(clip_vector)s::halfvec({image_dimension}) limit {depth}) n
    join filtered using (image_id)
    group by n.image_id order by min(n.distance), n.image_id limit {candidates}
),
clip_hits as (
    select image_id from near_tiles where (select count(*) from near_tiles) >= {enough}
    union all (
    select e.image_id from {tiles} e
    where %(clip_vector)s::vector is not null and (select count(*) from near_tiles) < {enough}
      and e.image_id = any(array(select image_id from filtered))
    group by e.image_id order by min(e.embedding <=> %(clip_vector)s::vector), e.image_id limit {candidates})
)

-- filtered_description_leg
near_descriptions as materialized (
    select n.image_id from (
        select e.image_id, e.embedding <=> %(text_vector)s::vector as distance from {descriptions} e
        where %(text_vector)s::vector is not null
        order by e.embedding::vector::halfvec({text_dimension}) <=> %(text_vector)s::halfvec({text_dimension}) limit {depth}) n
    join filtered using (image_id)
    order by n.distance, n.image_id limit {candidates}
),
description_hits as (
    select image_id from near_descriptions where (select count(*) from near_descriptions) >= {enough}
    union all (
    select e.image_id from {descriptions} e
    where %(text_vector)s::vector is not null and (select count(*) from near_descriptions) < {enough}
      and e.image_id = any(array(select image_id from filtered))
    order by (e.embedding <=> %(text_vector)s::vector) + 0, e.image_id limit {candidates})
)

-- pool_text
left join text_scores whole_score on whole_score.image_id = p.image_id
left join part on part.image_id = p.image_id
cross join lateral (
    select sum(q.idf * o.frequency * (%(k1)s + 1)
               / (o.frequency + %(k1)s * (1 - %(b)s + %(b)s * o.terms / c.mean_terms)))::float8 as score
    from split q
    join {postings} o on o.term = q.term and o.image_id = p.image_id
    cross join whole c
    where not q.essential and whole_score.score is null and (select holds from holds)) other_terms
cross join lateral (
    select coalesce(whole_score.score, part.score + coalesce(other_terms.score, 0), other_terms.score) as score) t

-- best_text
max(text)

-- text_mean
-- Of documents that have essential terms the scores are known, or most of them; the sample stands for the rest.
select (k.sum + greatest(n.documents - k.count, 0) * coalesce(r.mean, 0)) / n.documents as text
from corpus n
cross join best_scores b
cross join lateral (
    select coalesce(sum(exp(greatest(%(text_scale)s * (x.score - b.text), -700))), 0) as sum, count(*) as count
    from (
        select image_id, score from text_scores
        union all
        select p.image_id, p.score from part p cross join bound
        where (select holds from holds) and p.score + bound.rest < coalesce(bound.last, 0)) x) k
cross join lateral (
    select avg(exp(greatest(%(text_scale)s * (coalesce(s.text, 0) - b.text), -700))) as mean
    from scored s
    where s.image_id in (select image_id from sampled)
      and s.image_id not in (select image_id from part)
      and s.image_id not in (select image_id from text_scores)) r
where b.text is not null
