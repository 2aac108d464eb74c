"""The archive: one file of topics, records, group offsets, ACLs and Redis keys.

An archive is a POSIX tar file (PAX headers), so ``tar tf`` lists it and ``zstd -d`` opens its parts. Its members,
called parts here, come in this order:

    cut.json                                the platform at the start of the backup (:mod:`ops.backup.archive.model`):
                                            topics, first and last offsets, group offsets, ACLs
    redis/<database>/<number>.zst           Redis keys, see :mod:`ops.backup.redis_keys`
    redis.json                              ends the Redis keys: their number
    records/<topic>/<partition>/<offset>.zst  records of one partition in order, see :mod:`ops.backup.archive.frames`
    manifest.json                           ends the archive: totals and a list of all parts

Each part's header carries a PAX comment with a JSON object: ``sha256``, the checksum of the stored bytes, and
``meta``, what the part covers. The manifest repeats the checksums and adds one of each header, so that every byte of
the file is covered by a checksum, or is padding that must be zero.

An archive only grows at its end: a part with the right checksum is complete, so an interrupted backup truncates the
rest and resumes. Until the manifest is written, the archive is called ``FILE.partial``.
"""
