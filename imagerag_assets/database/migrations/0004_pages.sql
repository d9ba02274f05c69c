-- A file of several pages gives an image for each: uri `scan.pdf#page=2` of the file `scan.pdf`.

alter table raw_images add column page integer check (page >= 1);  -- null for the only image of its file
alter table raw_images add column file text not null generated always as
    (case when page is null then uri else left(uri, -length('#page=' || page::text)) end) stored;
create index raw_images_file on raw_images (collection, file);

alter table contents add column page integer check (page >= 1);
alter table contents add column frames integer not null default 1 check (frames >= 1);  -- the first is what is seen
alter table contents add column dpi double precision;              -- that a PDF's page was drawn at

alter table quarantine add column page integer check (page >= 1);  -- null for the file as a whole
alter table quarantine add column file text not null generated always as
    (case when page is null then uri else left(uri, -length('#page=' || page::text)) end) stored;
alter table quarantine add column attempts integer not null default 1;
alter table quarantine add column next_try timestamptz not null default now();
-- Page 2 of scan.pdf and a file that is called scan.pdf#page=2 may both be unusable.
alter table quarantine drop constraint quarantine_pkey;
alter table quarantine add primary key (collection, file, uri);
