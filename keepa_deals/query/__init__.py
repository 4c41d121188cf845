"""Which deals, in which order, how many: the language of pages, API, exports and feeds. No Flask."""
