"""Mail: read, draft, and send from an outbox that holds each one for a while, then lets it go once."""
