"""Git: looking into repositories, and moving refs, which are kept before and compared when they move."""
