"""MCP servers as tools: what a stranger says of its tools can make them stricter, never looser, and a change of it is noticed."""
