"""keepa_deals keeps a table of live Keepa deals truthful and fresh out of a scarce token budget."""
