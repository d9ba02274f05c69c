"""The doors: for now the command line. They add nothing of their own to what the domain does."""
