// What the world sees while it runs, that nobody could see at the end: content that is removed while a delivery needs
// it, and a level that leaves held rows out.

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import type { Accepted } from './evidence.ts';
import { MINUTE } from './plan.ts';
import type { World } from './world.ts';

/** Content is about to be hidden for good: everything must have come to its end. */
export function checkRemoval({ mail, ledger, seen }: World, objectKey: string): void {
  const message = mail.accepted.find(({ spoolId }) => mail.objectKeys(spoolId).includes(objectKey));
  if (message === undefined) return;
  const open = openDelivery(message, ledger.all());
  if (open !== null)
    seen.push({ kind: 'removed-early', spoolId: message.spoolId, says: `${objectKey} is removed while ${open}` });
}

/** The level counts what waits for a person: at least each row that has been held for two minutes. */
export function checkLevel({ ledger, schedule, seen }: World, value: number): void {
  const { held } = ledger;
  const since = schedule.now - 2 * MINUTE;
  const least = [...held.values()].filter((at) => at < since).length;
  if (value >= least) return;
  seen.push({ kind: 'wrong-level', spoolId: '', says: `WaitsForPerson is ${value}, and ${least} rows are held` });
}

const FINAL = new Set(['relayed', 'confirmed', 'returned', 'unreturnable', 'discarded', 'removed']);

/** What is not over yet, in words; null: nothing. */
function openDelivery({ spoolId, deliveries }: Accepted, rows: readonly DeliveryRow[]): string | null {
  for (const due of deliveries) {
    const row = rows.find(
      (each) =>
        each.spoolId === spoolId &&
        each.kind === 'delivery' &&
        each.forwardPath === due.forwardPath &&
        each.action === due.action,
    );
    if (row === undefined) return `<${due.forwardPath}> has no row`;
    if (!FINAL.has(row.state)) return `<${due.forwardPath}> is ${row.state}`;
  }
  return null;
}
