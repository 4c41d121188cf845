"""The connected seller: credentials, what to ask Amazon about, and its answers."""
