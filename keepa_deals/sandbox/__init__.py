"""A Keepa account and catalogue over HTTP, so that everything runs without a key.

Production never imports it.
"""
