"""The list of deals, a deal, and what can be taken away from them."""
