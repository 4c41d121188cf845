"""Worlds: what answers as Keepa would in a simulation, and says what is true."""
