"""Versions of one file, where records have no key: the newest takes away the rows of the older ones."""

from __future__ import annotations

from sluice.family import FamilyStatements

IS_OUTDONE = """EXISTS (SELECT FROM sluice.files o JOIN sluice.parts p USING (file_id) CROSS JOIN LATERAL (
        SELECT state FROM sluice.loads l WHERE l.part_id = p.part_id ORDER BY generation DESC, loaded_at DESC LIMIT 1) l
    WHERE o.feed = '{feed}' AND o.uri = sp._uri AND l.state = 'loaded'
    AND (o.modified_at, o.version COLLATE "C") > (sp._file_modified, sp._version))"""
"""Whether a newer version than that of a staged part was loaded; the part then gives no rows."""


class FileVersions(FamilyStatements):
    """What has to be done about other versions of the files whose parts are staged."""

    def lock(self) -> None:
        """Loads of versions of one URI wait for each other: each locks all versions, so that two share at least one."""
        self._execute(
            "SELECT count(*) FROM (SELECT FROM sluice.files WHERE feed = '{feed}'"
            " AND uri IN (SELECT _uri FROM stage_parts) ORDER BY file_id FOR NO KEY UPDATE) AS locked"
        )

    def find_outdone(self) -> list[int]:
        """The staged parts that give no rows."""
        return [part for (part,) in self._execute(f"SELECT _part FROM stage_parts sp WHERE {IS_OUTDONE}")]

    def remove_older(self) -> None:
        """The newest version of a URI takes away all rows of the older ones, unless nothing of it could be read."""
        older = (
            "SELECT DISTINCT o.file_id FROM stage_parts sp JOIN sluice.files o ON o.feed = '{feed}' AND o.uri = sp._uri"
            ' WHERE NOT sp._is_failed AND (o.modified_at, o.version COLLATE "C") < (sp._file_modified, sp._version)'
        )
        for target in self._targets():
            rows = f"SELECT ctid AS place FROM {target} t WHERE t._file = o.file_id OFFSET 0"
            places = f"SELECT c.place FROM ({older}) o CROSS JOIN LATERAL ({rows}) c"
            self._execute(f"DELETE FROM {target} WHERE ctid = ANY (ARRAY({places}))")
