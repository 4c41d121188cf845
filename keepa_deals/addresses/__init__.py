"""Addresses that operators write: the one place that takes them apart, for every user of them.

A password in one is never part of an error's words, and each kind can be shown without it.
"""
