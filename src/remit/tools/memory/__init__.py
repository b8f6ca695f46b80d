"""What runs remember of earlier ones: the only room that knows where it is kept."""
