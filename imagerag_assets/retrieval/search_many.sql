-- The forms of search.sql's parts where many images pass the filters: vectors by HNSW, words by their rarest first.

-- corpus
select w.documents * %(share)s as documents, w.mean_terms from whole w

-- text_leg
-- The MaxScore of Turtle & Flood (1995): a document that has none of the essential terms cannot reach the hits, as long as
-- what the others can add at most (idf * (k1 + 1) each) stays below the last hit's score. How many terms are essential
-- is guessed by what a document with one of them scores about, its idf. What the guess finds is a bound from below on the
-- last hit's score, and that says how many really are.
ordered as (
    select term, idf, sum(documents) over w * %(share)s as seen, documents,
           (%(k1)s + 1) * (sum(idf) over () - sum(idf) over w) as rest
    from query_terms where documents > 0 window w as (order by idf desc, term)
),
guessed as materialized (
    select term, idf, rest, coalesce(
        seen - documents * %(share)s < {text_candidates}
        or rest + (%(k1)s + 1) * idf
           >= (select max(o.idf) from ordered o where o.seen >= {text_candidates}), true) as essential
    from ordered
),
first_found as materialized (
    select hit.image_id, {okapi} as score
    from guessed q
    join {postings} hit using (term)
    cross join whole c
    {only_filtered}
    where q.essential
    group by hit.image_id
),
-- The whole scores of those that look best so far: the least of as many as are wanted is reached by the last hit, too.
-- Where many were found, a better bound saves more than it costs.
reached as materialized (
    select coalesce(min(score), 0) as score, count(*) = {text_candidates} as whole
    from (
        select p.score + coalesce(o.score, 0) as score
        from (
            select image_id, score from first_found order by score desc
            limit {text_candidates} * case when exists (select from first_found offset 2000) then 4 else 1 end) p
        cross join lateral (
            select {okapi} as score
            from guessed q
            join {postings} hit on hit.term = q.term and hit.image_id = p.image_id
            cross join whole c
            where not q.essential) o
        order by 1 desc limit {text_candidates}) x
),
split as materialized (
    select g.term, g.idf, g.essential as guessed,
           g.essential or not r.whole or g.rest + (%(k1)s + 1) * g.idf >= r.score as essential
    from guessed g cross join reached r
),
holds as materialized (select coalesce(bool_and(guessed = essential), true) as holds from split),
second_found as materialized (
    select hit.image_id, {okapi} as score
    from split q
    join {postings} hit using (term)
    cross join whole c
    {only_filtered}
    where q.essential and not (select holds from holds)
    group by hit.image_id
),
part as not materialized (
    select image_id, score from first_found where (select holds from holds)
    union all
    select image_id, score from second_found
),
bound as materialized (
    select coalesce((%(k1)s + 1) * sum(s.idf) filter (where not s.essential), 0) as rest,
           (select case when r.whole then r.score else 0 end from reached r) as last
    from split s
),
text_scores as materialized (
    select p.image_id, p.score + coalesce(o.score, 0) as score
    from part p
    cross join bound
    cross join lateral (
        select {okapi} as score
        from split q
        join {postings} hit on hit.term = q.term and hit.image_id = p.image_id
        cross join whole c
        where not q.essential) o
    where p.score + bound.rest >= bound.last
),
text_hits as (
    select image_id from text_scores order by score desc, image_id limit {text_candidates}
)

-- sampled
sampled as (select image_id from filtered order by sample, image_id limit {background})

-- clip_leg
clip_hits as (
    select n.image_id from (
        select e.image_id, e.embedding <=> %(clip_vector)s::vector as distance from {tiles} e
        where %(clip_vector)s::vector is not null
        order by e.embedding::vector::halfvec({image_dimension}) <=> %(clip_vector)s::halfvec({image_dimension}) limit {nearest}) n
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
        order by e.embedding::vector::halfvec({image_dimension}) <=> %(clip_vector)s::halfvec({image_dimension}) limit {nearest}) n
    join filtered using (image_id)
    group by n.image_id order by min(n.distance), n.image_id limit {candidates}
),
clip_hits as (
    select image_id from near_tiles where (select count(*) from near_tiles) >= {enough}
    union all (
    select n.image_id from (
        select e.image_id, e.embedding <=> %(clip_vector)s::vector as distance from {tiles} e
        where %(clip_vector)s::vector is not null and (select count(*) from near_tiles) < {enough}
          and e.image_id = any(array(select image_id from filtered))
        order by distance, e.image_id limit {nearest}) n
    group by n.image_id order by min(n.distance), n.image_id limit {candidates})
)

-- filtered_description_leg
near_descriptions as materialized (
    select n.image_id from (
        select e.image_id, e.embedding <=> %(text_vector)s::vector as distance from {descriptions} e
        where %(text_vector)s::vector is not null
        order by e.embedding::vector::halfvec({text_dimension}) <=> %(text_vector)s::halfvec({text_dimension}) limit {nearest}) n
    join filtered using (image_id)
    order by n.distance, n.image_id limit {candidates}
),
description_hits as (
    select image_id from near_descriptions where (select count(*) from near_descriptions) >= {enough}
    union all (
    select e.image_id from {descriptions} e
    where %(text_vector)s::vector is not null and (select count(*) from near_descriptions) < {enough}
      and e.image_id = any(array(select image_id from filtered))
    order by e.embedding <=> %(text_vector)s::vector, e.image_id limit {candidates})
)

-- pool_text
left join text_scores whole_score on whole_score.image_id = p.image_id
cross join lateral (
    select {okapi} as score
    from query_terms q
    join {postings} hit on hit.term = q.term and hit.image_id = p.image_id
    cross join whole c
    where whole_score.score is null and p.candidate) looked_up
cross join lateral (select coalesce(whole_score.score, looked_up.score) as score) t

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
        select p.image_id, p.score from part p cross join bound where p.score + bound.rest < bound.last) x) k
cross join lateral (
    select avg(exp(greatest(%(text_scale)s * (coalesce(one.score, 0) - b.text), -700))) as mean
    from sampled s
    cross join lateral (
        select {okapi} as score, bool_or(q.essential) as found
        from split q
        join {postings} hit on hit.term = q.term and hit.image_id = s.image_id
        cross join whole c) one
    where one.found is not true) r
where b.text is not null
