"""Amazon's Selling Partner API: whether a seller may list a product, and what Amazon says of its fees.

Sources: the models of ``amzn/selling-partner-api-models`` (listingsRestrictions_2021-08-01, productFeesV0)
and Amazon's guides (developer-docs.amazon.com/sp-api). Nothing of it was recorded on a real account.
"""
