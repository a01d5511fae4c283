// All rows of the reply rules, in order: the first row that takes a reply decides. A row that is asked earlier must not
// take the reply of a later one; test/unit/core/reply/reply-rows.test.ts says so.

import type { ReplyRow, RowGroup } from './row.ts';
import { severalServers } from './several-servers.ts';

export const rowGroups: readonly RowGroup[] = [...severalServers];

const byId = new Map(rowGroups.flatMap(({ rows }) => rows.map((row) => [row.id, row] as const)));

/** The row of an id as a ledger has it; null for one that this version does not have. */
export function rowOf(id: string | null): ReplyRow | null {
  return id === null ? null : (byId.get(id) ?? null);
}
