"""Start, stop and deploy a deployment, and keep it alive (docs/operations.md)."""
