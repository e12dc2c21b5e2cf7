"""titles."""
