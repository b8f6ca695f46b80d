"""Ways in. A door translates what comes into what remit knows, and decides nothing."""
