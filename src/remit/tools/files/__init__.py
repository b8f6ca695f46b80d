"""Tools that read and write files inside the allowed roots."""
