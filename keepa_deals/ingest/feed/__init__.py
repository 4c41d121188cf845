"""Keepa's list of deals: what a page proves, which rows are one family, which columns an entry fills."""
