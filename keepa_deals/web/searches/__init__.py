"""The page of the searches."""
