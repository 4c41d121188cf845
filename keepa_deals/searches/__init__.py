"""The searches of a deployment: which there are, and who may change them."""
