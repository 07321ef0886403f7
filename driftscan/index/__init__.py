"""Package indexes: what they say about releases, asked over the simple repository API.

Nothing is built, and no more of a distribution is read than the file that holds its core metadata.
"""
