-- Candidates stand beside the live generation until they are measured, and meanwhile both are kept current: results of
-- two pairs of models at once.

alter table generations drop constraint generations_status_check;
alter table generations add constraint generations_status_check
    check (status in ('building', 'candidate', 'live', 'retired', 'dropped'));
alter table generations add column retired_at timestamptz;
alter table generations add column held text not null default '';  -- why the gate must not promote it by itself
update generations set retired_at = now() where status = 'retired';
-- What was dropped may be built anew; its row stays, for the evaluations that name it.
alter table generations drop constraint generations_fingerprint_key;
create unique index generations_fingerprint on generations (fingerprint) where status <> 'dropped';

-- Encoders that see images of another size need other tiles.
alter table tiles add column side integer not null default 0;      -- of what the encoder sees, in pixels; 0: unknown
alter table tiles alter column side drop default;
alter table tiles drop constraint tiles_pkey;
alter table tiles add primary key (content, side, tile_no);

alter table description_embeddings add column model text not null default '';
update description_embeddings
    set model = coalesce((select parameters ->> 'text_model' from generations where status = 'live'), '');
alter table description_embeddings alter column model drop default;

-- Zero-shot descriptions are their encoder's: its name has taken the place of the context, which they are not told.
create temporary table renamed on commit drop as
    select 'e3b0c44298fc' as before,
           left(encode(sha256(convert_to(parameters ->> 'image_model', 'UTF8')), 'hex'), 12) as after
    from generations where status = 'live';
update description_embeddings e set context = r.after from renamed r
    where e.context = r.before and exists (
        select from vlm_descriptions v
        where v.content = e.content and v.context = e.context and v.model = 'zero-shot tags');
update vlm_descriptions v set context = r.after from renamed r
    where v.context = r.before and v.model = 'zero-shot tags';
alter table description_embeddings drop constraint description_embeddings_pkey;
alter table description_embeddings add primary key (content, context, model);
