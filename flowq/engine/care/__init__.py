"""What a person looks after: the catalogue, `flowq doctor`, `flowq gc`."""
