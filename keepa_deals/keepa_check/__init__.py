"""``keepa-deals keepa check``: asks Keepa what no recording can tell, and which of our assumptions hold."""
