"""What each reader marks on deals: stars, what is put out of sight, what was bought, notes."""
