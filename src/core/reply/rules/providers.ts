// All rows of the reply rules, in order: the first row that takes a reply decides. A row that is asked earlier must not
// take the reply of a later one; test/unit/core/reply/reply-rows.test.ts says so.

import type { RowGroup } from './row.ts';
import { severalServers } from './several-servers.ts';

export const rowGroups: readonly RowGroup[] = [...severalServers];
