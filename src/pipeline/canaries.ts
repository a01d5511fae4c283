// What the ledger knows of canaries: the sweep's record, and under which row a canary was received. The sweep and the
// command `everpost canary` read it, ingest writes the second. It decides nothing.

import type { CanaryRecord } from '#core/delivery/canary-watch.ts';
import type { DeliveryRef, DeliveryRow } from '#core/delivery/delivery.ts';
import { canaryWindowMs } from '#core/limits.ts';
import { canarySentAt } from '#core/message/canary.ts';
import type { Job, JobQueue, Ledger } from './ports.ts';

const RECORD = 'canaries';
/** Of the clock's, so that both outlive the time in which a copy would be taken for a canary. */
const keptMs = 2 * canaryWindowMs;

export async function readCanaries(ledger: Pick<Ledger, 'bookmark'>): Promise<CanaryRecord | null> {
  const text = await ledger.bookmark(RECORD);
  return text === null ? null : (JSON.parse(text) as CanaryRecord);
}

export function writeCanaries(ledger: Pick<Ledger, 'setBookmark'>, record: CanaryRecord): Promise<void> {
  return ledger.setBookmark(RECORD, JSON.stringify(record));
}

/** Asks the feedback function to send it. */
export function askForCanary(queue: JobQueue, id: string): Promise<void> {
  const job: Job = { version: 1, spoolId: id, deliveryKey: 'canary' };
  return queue.send([{ job, group: 'canary' }]);
}

/** Once for each id: true where it is the first time, and nothing was sent before. */
export function mayBeSent(ledger: Pick<Ledger, 'countUpTo'>, id: string): Promise<boolean> {
  return ledger.countUpTo(`canary-sent#${id}`, 1, until(id));
}

/**
 * The first message that bears the id is the canary, also when its receipt comes again; every other one is ordinary
 * mail.
 */
export async function isFirstOf(
  ledger: Pick<Ledger, 'countOnce' | 'keepToken'>,
  id: string,
  ref: DeliveryRef,
): Promise<boolean> {
  if (!(await ledger.countOnce(`canary#${id}`, ref.spoolId, 1, until(id)))) return false;
  await ledger.keepToken(tokenOf(id), ref, until(id));
  return true;
}

/** The canary's row; null: it was not received, or is not written yet. */
export async function canaryRow(ledger: Pick<Ledger, 'findToken' | 'read'>, id: string): Promise<DeliveryRow | null> {
  const found = await ledger.findToken(tokenOf(id));
  return found === null ? null : ledger.read(found.ref);
}

/** No token of a return path has a hyphen. */
function tokenOf(id: string): string {
  return `canary-${id}`;
}

function until(id: string): number {
  return (canarySentAt(id) ?? 0) + keptMs;
}
