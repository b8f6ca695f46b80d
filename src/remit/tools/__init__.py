"""What remit can do: each tool owns its effect, how to look at it afterwards, and how to take it back."""
