"""Backups of a platform and their restore.

``archive`` is the file format; ``create``, ``cut`` and ``records`` write an archive; ``restore`` reads one into a
platform. ``acls``, ``groups`` and ``redis_keys`` do both for their kind of data.
"""
