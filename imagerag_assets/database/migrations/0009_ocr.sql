-- Who read an image's text, and how the image had to be turned for it.

alter table ocr_text
    add column engine text not null default 'tesseract',
    -- degrees counter-clockwise; word boxes are in pixels of the image before it was turned
    add column turned smallint not null default 0 check (turned in (0, 90, 180, 270));
