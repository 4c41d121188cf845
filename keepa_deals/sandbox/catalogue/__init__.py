"""The sandbox's products and their prices, ranks and deals over time."""
