"""TOML that people write by hand: typed, and with the line of everything, so that an error can show where it is."""
