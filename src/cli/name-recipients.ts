// `everpost release --to`: names the recipients of an orphan. It sends the command to the ingest queue, because routes
// and settings are deployed with ingest alone, and waits for the result of ingest. It writes nothing into the ledger
// itself.

import { setTimeout as pause } from 'node:timers/promises';
import type { SqsIngestQueue } from '#adapters/aws/sqs-ingest-queue.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { namedRecipientsMax, queueRetentionMs } from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import { placeholderKey } from '#core/spool/orphan.ts';
import type { Ledger } from '#pipeline/ports.ts';
import { exitCodes, Usage } from './exit.ts';
import { type Standing, standingOf } from './standing.ts';

const patienceMs = 20_000;
const lookEveryMs = 250;

export type Naming = {
  readonly ledger: Ledger;
  readonly ingestQueue: SqsIngestQueue;
  readonly spoolId: string;
  readonly recipients: readonly string[];
  readonly lifetimeMs: number;
  /** The caller, for the trace. */
  readonly by: string;
};
export type Line = Standing & {
  readonly spoolId: string;
  readonly forwardPath: string;
  readonly action: number;
  readonly nextHop: string;
  readonly done: boolean;
  readonly why: string | null;
  /** Of a resubmitted delivery: when its next hop had accepted it, ISO 8601. */
  readonly relayedAt?: string | null;
};

/** Throws Usage on arguments that ingest would refuse. */
export function checkNaming({ recipients, lifetimeMs }: Pick<Naming, 'recipients' | 'lifetimeMs'>): void {
  if (recipients.length > namedRecipientsMax) throw new Usage(`--to: at most ${namedRecipientsMax} recipients at once`);
  const odd = recipients.find((address) => parseMailbox(address) === null);
  if (odd !== undefined) throw new Usage(`--to takes an address such as ann@example.com, not "${odd}"`);
  if (lifetimeMs >= queueRetentionMs) throw new Usage('--lifetime: less than 14d');
}

type Told = { readonly lines: readonly Line[]; readonly code: number };

/** The result: a line for each delivery, and the exit code. */
export async function nameRecipients(naming: Naming): Promise<Told> {
  const { ledger, spoolId } = naming;
  const ref = { spoolId, deliveryKey: placeholderKey };
  const before = await ledger.read(ref);
  if (before === null)
    return refused(naming, null, 'its receipt is not missing: release it without --to', exitCodes.failed);
  if (before.state !== 'held')
    return refused(naming, before, `it is ${before.state} (${before.stateReason})`, exitCodes.failed);
  const { recipients, lifetimeMs, by } = naming;
  await naming.ingestQueue.name({ spoolId, recipients, lifetimeMs, by });
  for (let waited = 0; waited < patienceMs; waited += lookEveryMs) {
    await pause(lookEveryMs);
    const now = await ledger.read(ref);
    if (now?.state !== 'held') return settled(naming, now);
    const said = now.trace.length > before.trace.length ? now.trace.at(-1)?.reason : null;
    if (said) return refused(naming, now, said, exitCodes.failed);
  }
  const why = 'ingest has the recipients and has not answered yet: look with everpost trace later';
  return refused(naming, before, why, exitCodes.tryAgain);
}

/** The deliveries to those who were named. Where the receipt came first it may name others: then that is said. */
async function settled({ ledger, spoolId, recipients }: Naming, ended: DeliveryRow | null): Promise<Told> {
  const [record] = await ledger.trace({ spoolId, limit: 1 });
  const rows = (record?.rows ?? []).filter((row) => row.kind === 'delivery' && row.deliveryKey !== placeholderKey);
  const lines = recipients.flatMap((address): readonly Line[] => {
    const own = rows.filter((row) => row.forwardPath === address);
    if (own.length === 0) return [notDone(spoolId, address, null, `it was not delivered to: ${ended?.stateReason}`)];
    return own.map((row) => {
      const { forwardPath, action, nextHop } = row;
      return { spoolId, forwardPath, action, nextHop, ...standingOf(row), done: true, why: null };
    });
  });
  return { lines, code: lines.every(({ done }) => done) ? exitCodes.done : exitCodes.failed };
}

function refused({ spoolId, recipients }: Naming, row: DeliveryRow | null, why: string, code: number): Told {
  return { lines: recipients.map((address) => notDone(spoolId, address, row, why)), code };
}

function notDone(spoolId: string, forwardPath: string, row: DeliveryRow | null, why: string): Line {
  return { spoolId, forwardPath, action: 0, nextHop: '', ...standingOf(row), done: false, why };
}
