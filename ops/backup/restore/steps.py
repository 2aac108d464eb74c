"""The steps of a restore, each written to the journal before it happens."""

import time
from pathlib import Path

from components.errors import count
from ops import console
from ops.backup import acls, groups, redis_keys
from ops.backup.archive.frames import decode
from ops.backup.archive.model import KeysMeta, PartitionId, RecordsMeta
from ops.backup.archive.parts import read_parts
from ops.backup.archive.verify import Contents
from ops.backup.restore import journal as journals
from ops.backup.restore.interrupts import interrupts_postponed
from ops.backup.restore.journal import Filled, Journal
from ops.backup.restore.plan import Plan, translate
from ops.backup.restore.produce import Producer
from ops.backup.restore.target import offsets
from ops.backup.restore.undo import apply_specs
from ops.errors import OpsError
from ops.platform import Platform

NOTICE_SECONDS = 1.0
"""Seconds for ZooKeeper to notify all brokers of a changed topic configuration; no request shows when they know it.
A broker that does not know it yet is detected: it refuses records or reports changed timestamps."""


class RestoreSteps:
    """Writes an archive into a platform.

    Args:
        platform: The platform.
        archive: The verified archive.
        contents: Its contents.
        plan: What to write.
        journal: An empty journal.
        path: The path of the journal.
    """

    def __init__(
        self, platform: Platform, archive: Path, contents: Contents, plan: Plan, journal: Journal, path: Path
    ) -> None:
        self._platform = platform
        self._archive = archive
        self._contents = contents
        self._plan = plan
        self._journal = journal
        self._path = path

    def run(self, compression: str) -> None:
        """Write everything; records come before the groups and keys that may refer to them.

        Args:
            compression: The codec of record batches; a key of :data:`ops.backup.restore.produce.CODECS`.

        Raises:
            OpsError: Something was refused, or the written records are not all there.
            UnreachableError: The platform stopped answering.
            KeyboardInterrupt: Ctrl-C.
        """
        self._create_topics()
        bases = self._bases()
        self._write_records(compression)
        self._verify_counts(bases)
        with interrupts_postponed():
            apply_specs(self._platform, self._plan.specs, existing=self._plan.specs)
        self._write_groups(bases)
        self._write_acls()
        if self._plan.redis:
            self._write_keys()

    def _create_topics(self) -> None:
        self._journal.created = list(self._plan.create)
        self._journal.filled = {
            name: Filled(
                partitions=self._plan.specs[name].partitions,
                replication=self._plan.specs[name].replication_factor,
                config=dict(self._plan.specs[name].config),
            )
            for name in self._plan.fill
        }
        journals.save(self._journal, self._path)
        with interrupts_postponed():
            apply_specs(self._platform, self._plan.while_restoring, existing=self._plan.fill)
        if self._plan.fill:
            time.sleep(NOTICE_SECONDS)

    def _bases(self) -> dict[PartitionId, int]:
        """The end offset of each partition before the restore: not 0 in a topic that was emptied."""
        partitions = {
            PartitionId(name, number) for name, spec in self._plan.specs.items() for number in range(spec.partitions)
        }
        with self._platform.admin() as client:
            return {partition: end for partition, (_, end) in offsets(client, partitions).items()}

    def _write_records(self, compression: str) -> None:
        total = sum(
            number for partition, number in self._contents.records.items() if partition.topic in self._plan.specs
        )
        if not total:
            return
        options = self._platform.kafka_options()
        with (
            console.progress("records", total=total) as advance,
            Producer(options, compression) as producer,
        ):
            for part in read_parts(self._archive):
                if not part.holds_records:
                    continue
                meta = RecordsMeta.model_validate(part.meta)
                if meta.topic in self._plan.specs and meta.records:
                    producer.write(meta.partition_id, decode(part.content))
                    advance(meta.records)
            producer.flush()

    def _verify_counts(self, bases: dict[PartitionId, int]) -> None:
        with self._platform.admin() as client:
            ends = {partition: end for partition, (_, end) in offsets(client, bases).items()}
        expected = self._contents.records
        wrong = [
            f"{partition}: {count(ends[partition] - base, 'record')} written, {expected.get(partition, 0)} in archive"
            for partition, base in bases.items()
            if ends[partition] - base != expected.get(partition, 0)
        ]
        if wrong:
            raise OpsError("the topics do not hold the restored records; did a different client write to them?", wrong)

    def _write_groups(self, bases: dict[PartitionId, int]) -> None:
        if not self._plan.groups:
            return
        self._journal.groups = list(self._plan.groups)
        journals.save(self._journal, self._path)
        with self._platform.admin() as client:
            for group, commits in self._plan.groups.items():
                with interrupts_postponed():
                    groups.write(client, group, translate(commits, self._contents.before, bases))

    def _write_acls(self) -> None:
        if not self._plan.acls:
            return
        self._journal.acls = list(self._plan.acls)
        journals.save(self._journal, self._path)
        with self._platform.admin() as client, interrupts_postponed():
            acls.write(client, self._plan.acls)

    def _write_keys(self) -> None:
        expired = 0
        with console.progress("Redis", total=sum(self._contents.keys.values())) as advance:
            for part in read_parts(self._archive):
                if not part.holds_keys:
                    continue
                meta = KeysMeta.model_validate(part.meta)
                self._journal.redis_parts += 1
                journals.save(self._journal, self._path)
                with self._platform.redis_client(db=meta.database) as client, interrupts_postponed():
                    keys = redis_keys.decode(part.content)
                    expired += redis_keys.write(client, keys)
                advance(meta.keys)
        if expired:
            console.say(f"{count(expired, 'Redis key')} expired since the backup and were skipped")
