// Loop detection: our own signed passes, and the number of Received fields (RFC 5321 §6.3). A loop ends in an NDR,
// never in a drop. Reads a list of fields, as SES's receipt gives it or message/header.ts reads it; knows nothing of
// routes.

import { ownPassesMax, passesCheckedMax, receivedFieldsMax } from '#core/limits.ts';
import type { HeaderField } from '#core/message/header.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import { passField, verifiedPass } from '#core/message/trace-fields.ts';
import { type Status, statusOf } from '#core/reply/status.ts';

export type LoopFinding = { readonly kind: 'loop'; readonly status: Status; readonly detail: string };

/**
 * 5.4.6 where the message has made `ownPassesMax` passes through us already, or bears more Received fields than any
 * honest path; else null. A pass counts once however often its field was copied; one that our key did not sign counts
 * for nothing.
 */
export function findLoop(fields: readonly HeaderField[], markKey: MarkKey): LoopFinding | null {
  const passes = new Set<string>();
  let received = 0;
  let checked = 0;
  for (const { name, value } of fields) {
    if (name.length === 'received'.length && name.toLowerCase() === 'received') received += 1;
    else if (checked < passesCheckedMax && name.length === passField.length && name.toLowerCase() === passField) {
      checked += 1;
      const spoolId = verifiedPass(markKey, value);
      if (spoolId !== null) passes.add(spoolId);
    }
  }
  if (passes.size >= ownPassesMax) return found(`the message has come through here ${passes.size} times already`);
  if (received > receivedFieldsMax)
    return found(`the message has ${received} Received fields; ${receivedFieldsMax} are the most`);
  return null;
}

function found(detail: string): LoopFinding {
  return { kind: 'loop', status: statusOf('5.4.6'), detail };
}
