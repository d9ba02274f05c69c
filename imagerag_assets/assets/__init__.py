"""The assets of the graph: a module tells Dagster of a stage and reports what it did. No logic lives here."""
