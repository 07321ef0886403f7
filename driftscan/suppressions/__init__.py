"""Findings that somebody accepts for a while: the entries that say so, what they match, and how they are written down.

Everything here is a pure function of a report, of entries and of a day that the caller names.
"""
