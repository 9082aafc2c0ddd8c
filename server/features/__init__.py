"""Features by user and by movie: lookup only, never computed here."""
