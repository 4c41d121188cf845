"""What a deal is: its life, its money, its prices over time. Pure: no database, no Flask, no Redis."""
