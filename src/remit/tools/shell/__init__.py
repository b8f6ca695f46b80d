"""Commands in a sandbox, on an overlay: the exact file changes are known before they are committed."""
