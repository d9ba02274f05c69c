-- What plain pgvector clients read: the live index as one view, a row per tile (docs/clients.md). It is replaced in the
-- transaction that makes a generation live, whoever does that; grants on it stay.

create view imagerag_live as
    select null::text as id, null::text as collection, null::text as uri, null::text as content,
           null::vector as embedding, null::text as document, null::jsonb as metadata
    where false;

create function publish_generation(number integer) returns void language plpgsql set search_path from current as $$
begin
    -- The embedding has no dimension here, so that the view stays the same relation when a generation has another one.
    execute format(
        $view$
        create or replace view imagerag_live as
            select i.collection || ':' || i.content || ':' || t.tile_no as id, i.collection, i.uris[1] as uri, i.content,
                   t.embedding::vector as embedding,
                   concat_ws(E'\n', nullif(btrim(i.description, E' \n'), ''), nullif(btrim(i.ocr, E' \n'), ''))
                       as document,
                   i.metadata || jsonb_build_object(
                       'category', i.category, 'tags', i.tags, 'width', i.width, 'height', i.height, 'uris', i.uris,
                       'group', i.group_id, 'box', jsonb_build_array(t.x0, t.y0, t.x1, t.y1)) as metadata
            from %1$I.tiles t join %1$I.images i using (image_id)
        $view$,
        'imagerag_generation_' || number);
end $$;

create function publish_live_generation() returns trigger language plpgsql set search_path from current as $$
begin
    perform publish_generation(new.generation);
    return null;
end $$;

create trigger generations_published after update of status on generations
    for each row when (new.status = 'live') execute function publish_live_generation();

-- One of an older layout is published by its successor.
select publish_generation(generation) from generations
where status = 'live' and exists (
    select from information_schema.columns
    where table_schema = 'imagerag_generation_' || generation and table_name = 'images' and column_name = 'metadata');
