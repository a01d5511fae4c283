// What follows from a message to a return path: which delivery it is about, which fact it gives
// (core/feedback/fact.ts), and what becomes of the message's own row. Pure. A report is believed as far as its return
// path vouches for it, and no further: a server that has the token, or returns our own signed mark, had the message.

import { become } from '#core/delivery/become.ts';
import type { DeliveryRef, DeliveryRow } from '#core/delivery/delivery.ts';
import { refOfDeliveryId } from '#core/delivery/delivery.ts';
import { discarded } from '#core/delivery/hold-release.ts';
import type { Progress } from '#core/delivery/trace.ts';
import { traced } from '#core/delivery/trace.ts';
import { detailTextMax, passesCheckedMax } from '#core/limits.ts';
import type { HeaderField } from '#core/message/header.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import { oneLine } from '#core/message/text-encoding.ts';
import { passField, verifiedPass } from '#core/message/trace-fields.ts';
import { replyOfDiagnostic } from '#core/reply/diagnostic-code.ts';
import { statusClass, statusOf } from '#core/reply/status.ts';
import type { Disposition } from '#core/routing/policy.ts';
import type { WayToPostmaster } from '#core/routing/postmaster-way.ts';
import type { ReportedFact } from './fact.ts';
import type { RemoteReport } from './report.ts';
import type { RemoteRecipient } from './report-fields.ts';

/**
 * The delivery that the returned header section bears: a pass that our key signed, and the Received field that we wrote
 * beside it. It finds reports to SRS addresses, which name the sender and not the message.
 */
export function deliveryInOriginal(original: readonly HeaderField[], markKey: MarkKey): DeliveryRef | null {
  const spoolId = original
    .filter(({ name }) => name.toLowerCase() === passField)
    .slice(0, passesCheckedMax)
    .map(({ value }) => verifiedPass(markKey, value))
    .find((found) => found !== null);
  if (spoolId === undefined) return null;
  for (const { name, value } of original) {
    if (name.toLowerCase() !== 'received') continue;
    const ref = refOfDeliveryId(/\bid ([A-Za-z0-9-]{1,250})(?=[\s;]|$)/.exec(value)?.[1] ?? '');
    if (ref?.spoolId === spoolId) return ref;
  }
  return null;
}

/**
 * `at`: when the report came to us; with the same one it is the same fact, however often it is read. `about`: the
 * addresses of the delivery that it was joined to; a recipient that the report names so is the one that counts.
 */
export function factOfReport(
  report: Extract<RemoteReport, { kind: 'report' }>,
  at: number,
  about: readonly string[] = [],
): ReportedFact {
  const recipient = worst(namedAs(report.recipients, about));
  const host = recipient.remoteMta ?? report.reportingMta;
  const reply = recipient.diagnostic === null ? null : replyOfDiagnostic(spoken(recipient.diagnostic), host);
  const told = { at, sentAt: null, reply };
  const status = recipient.status ?? reply?.status ?? null;
  switch (recipient.action) {
    case 'failed': {
      const real = status !== null && statusClass(status) !== 2 ? status : statusOf('5.0.0');
      return { ...told, kind: 'failed', reason: 'reported-failed', status: real, detail: detailOf(recipient) };
    }
    case 'delayed':
      return { ...told, kind: 'delayed', reason: 'reported-delayed', status };
    case 'delivered':
    case 'relayed':
    case 'expanded':
      return { ...told, kind: 'confirmed' };
  }
}

function namedAs(all: RemoteReports, about: readonly string[]): RemoteReports {
  const keys = about.map((address) => address.toLowerCase());
  const isNamed = ({ finalRecipient, originalRecipient }: RemoteRecipient) =>
    [finalRecipient, originalRecipient].some((name) => name !== null && keys.includes(name.toLowerCase()));
  // An alias was expanded or passed on: its other recipients' results decide.
  const [first, ...others] = all.filter((each) => isNamed(each) && !/^(expanded|relayed)$/.test(each.action));
  return first === undefined ? all : [first, ...others];
}
type RemoteReports = readonly [RemoteRecipient, ...RemoteRecipient[]];

/** We named one recipient. Where an alias made several of it, the sender must be told of the one that failed. */
function worst(recipients: RemoteReports): RemoteRecipient {
  const by = (action: RemoteRecipient['action']) => recipients.find((recipient) => recipient.action === action);
  return by('failed') ?? by('delayed') ?? recipients[0];
}

/**
 * From the server's code on, where the report wraps words of its own around it: `host mx.example said: 550 5.1.1 …`.
 */
function spoken(diagnostic: string): string {
  const found = /(?:[:>'"]\s?|said:?\s|^)([45][0-5]\d[ -].*)$/s.exec(diagnostic)?.[1];
  return found ?? diagnostic;
}

function detailOf({ diagnostic }: RemoteRecipient): string {
  const words = 'the next server took the message and could not deliver it';
  return oneLine(diagnostic === null ? words : `${words}: ${diagnostic}`, detailTextMax);
}

// ── The row of the returned message ───────────────────────────────────────────────────────────────────────────

/** It was read, and ends here: its bytes stay as long as any content. `reason` is kebab-case, `about` says of what. */
export function returnSettled(row: DeliveryRow, reason: string, about: string | null, now: number): Progress {
  const { row: next, events } = discarded(row, reason, now, row.claims); // no claim of it sends anything
  const told = about === null ? events : events.map((event) => ({ ...event, reason: `${reason}: ${about}` }));
  return { row: { ...next, claims: 0 }, events: told };
}

/**
 * No report, or none that could be joined: the same row is queued for the postmaster, whole, as ordinary mail; mail
 * that policy would not have relayed is quarantined.
 */
export function sentOnToPostmaster(
  row: DeliveryRow,
  way: WayToPostmaster,
  why: string,
  policy: Disposition,
  terms: {
    readonly now: number;
    readonly lifetimeMs: number;
    readonly sweepAgainMs: number;
    readonly quarantineMs: number;
  },
): Progress {
  const { now } = terms;
  const { returnPath: _, lastJobSent: __, ...rest } = row; // it has a fresh lifetime, and another last attempt
  const quarantine = policy.kind !== 'relay';
  const until = row.acceptedAt + terms.quarantineMs;
  const dueAt = now + terms.sweepAgainMs;
  const what = { attempt: null, status: null, reply: null };
  return {
    events: [
      traced(row, 'REDIRECT', now, { ...what, reason: `${why}: to the postmaster` }, way.nextHop),
      ...(quarantine ? [traced(row, 'HOLD', now, { ...what, reason: policy.reason }, way.nextHop)] : []),
    ],
    row: {
      ...(quarantine
        ? become(rest, 'quarantined', { reason: policy.reason, dueAt: until })
        : { ...rest, stateReason: null, dueAt }),
      ...(way.returnPath === null ? {} : { returnPath: way.returnPath }),
      nextHop: way.nextHop,
      address: way.address,
      route: way.route,
      attempts: 0,
      claims: 0,
      leaseUntil: null,
      nextAttemptAt: now,
      expiresAt: now + terms.lifetimeMs,
    },
  };
}
