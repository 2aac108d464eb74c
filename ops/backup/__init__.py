"""Backups: one archive of topics, records, group offsets, ACLs and Redis keys, and the way back.

An archive is a POSIX tar file (PAX headers), so ``tar tf`` lists it and ``zstd -d`` opens its parts. Its members, here
called parts, come in this order:

    cut.json                                what was on the platform when the backup began (:mod:`ops.backup.model`):
                                            topics, first and last offsets, group offsets, ACLs
    redis/<database>/<number>.zst           keys of Redis, see :mod:`ops.backup.redis_keys`
    redis.json                              ends the keys of Redis: how many there are
    records/<topic>/<partition>/<offset>.zst  records of one partition in order, see :mod:`ops.backup.frames`
    manifest.json                           ends the archive: what there is in all, and a list of all parts

Each part's header carries a PAX comment with a JSON object: ``sha256``, the checksum of the stored bytes, and
``meta``, what the part covers. The manifest repeats the checksums and adds one of
each header, so that every byte of the file is covered by a checksum, or is padding that must be zero.

An archive grows at its end only: whatever has a right checksum is complete, so an interrupted backup cuts off the rest
and goes on. It is called ``FILE.partial`` until the manifest is in it.
"""
