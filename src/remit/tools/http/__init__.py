"""HTTP: where a request may go, what is known when it fails, and what can be said of what it did."""
