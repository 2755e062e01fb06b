"""What a whole fleet heeds together: permits of rates and caps, circuits, caches."""
