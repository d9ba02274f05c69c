"""Images as files and pixels: listing sources, decoding safely, hashing, tiling, thumbnails. No model is used here."""
