"""Loose requirements to a lock: an engine picks versions, and everything else is found out and proved here.

Engines are programs of their own (uv, pip-tools). They see a file that was made for them in a folder that is made for
them, an environment with nothing in it that was not let through, and never the user's files. Hashes come from the index
itself, and nothing is written before what is going to be written has been read again and verified.
"""
