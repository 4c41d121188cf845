"""The column cache: the deals in memory, column by column, for filters, orders and counts of any kind.

No set of indices answers every combination of filters and orders within milliseconds over a million rows,
and each of them would be paid by every write. Arrays of numbers do, exact totals included.
The database stays the truth: pages show its rows, the cache only says which.
"""
