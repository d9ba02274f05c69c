-- What a result was made from, where that can come later or change while the fingerprint stays: the text that OCR read,
-- the description that was embedded.

alter table vlm_descriptions add column inputs text not null default '';
alter table description_embeddings add column inputs text not null default '';
