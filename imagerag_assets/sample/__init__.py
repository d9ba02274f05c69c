"""The sample corpus: what it shows, how it is drawn, which questions it answers, and the model trained for it.

One module per collection draws its scenes (`products`, `real_estate`, `it_support`, `manufacturing`); `corpus` writes
them to disk with their benchmark; `training` makes the bundled image tower. Nothing outside this folder knows about it.
"""
