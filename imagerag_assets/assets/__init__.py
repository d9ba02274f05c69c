"""The assets of the graph: each module tells Dagster of one stage and reports what the stage did. No logic lives here."""
