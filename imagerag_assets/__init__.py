"""Imagerag: folders and buckets of images as a searchable, incrementally kept and evaluated index in pgvector."""
