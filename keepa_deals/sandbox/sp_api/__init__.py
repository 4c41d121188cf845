"""Amazon's Selling Partner API for one made-up seller, by the documented shapes and usage plans."""
