"""Postgres: the connection, the numbered migrations, bulk writes, and the one rule that says what is pending."""
