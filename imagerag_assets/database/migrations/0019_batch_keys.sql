-- Whoever changes the describer's settings leaves batches at another server: which variable has the key for it.

alter table description_batches add column key_env text;            -- null: the preset's own
