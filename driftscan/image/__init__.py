"""Image sources: one file each, and what they share: layer reading, digests, limits, credentials."""
