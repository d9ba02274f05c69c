"""The door for agents: a Model Context Protocol server over the domain, by standard input and output or by HTTP."""
