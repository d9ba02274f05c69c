"""Search: tokens, the index's generations and their upkeep, the search statement, and the fusion of its legs."""
