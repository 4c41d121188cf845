"""The parts of a look at the service, one module each."""
