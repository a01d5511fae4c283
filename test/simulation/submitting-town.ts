// A town with submitters, and what the tests of outbound mail ask of it.

import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import type { Submitted } from './submitted.ts';
import { Town, townSettings } from './town.ts';

export const HOUR = 3_600_000;
export const ULID = '01JD0000000000000000000000';
export const EML = `out/exchange/${ULID}.eml`;
export const ENVELOPE = `out/exchange/${ULID}.envelope.json`;
export const ANN = 'ann@example.com';
export const BOB = 'bob@far.example';

const smart = townSettings.nextHops.exchange;
if (smart === undefined) throw new Error('the town has no next hop');
const to = (via: string) => [{ via, address: null, copy: false, returnPath: 'keep' as const }];
export const settings: Settings = {
  ...townSettings,
  nextHops: { ...townSettings.nextHops, smart },
  routes: [
    ...townSettings.routes,
    { match: ['*@far.example'], direction: 'outbound', to: to('smart'), fallback: null },
  ],
  submitters: {
    exchange: { secret: 's', senderDomains: ['example.com'] },
    cron: { secret: 's', senderDomains: ['cron.example'] },
  },
  retry: { ...townSettings.retry, lifetimeMs: 3 * HOUR },
};

export const ok = { code: 250, status: '2.0.0', text: 'Ok' };
export const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
/** To our own side all is taken; what Bob's server says is the script's. */
const farSays =
  (script: Script): Script =>
  (forwardPath, attempt, transaction) =>
    forwardPath.domainKey === 'far.example' ? script(forwardPath, attempt, transaction) : ok;

export function townOf(script: Script = () => ok, interrupt = new Interrupt(), given = settings): Town {
  return new Town(farSays(script), interrupt, given);
}

export async function lived(
  submitted: Submitted,
  script?: Script,
  submitter = 'exchange',
  given = settings,
): Promise<Town> {
  const town = townOf(script, new Interrupt(), given);
  town.submit(submitter, ULID, submitted);
  await town.live(24 * 7);
  return town;
}

export function deliveries(town: Town): readonly DeliveryRow[] {
  return town.ledger.all().filter((row) => row.kind === 'delivery');
}
export function endsOf(town: Town): Record<string, string> {
  return Object.fromEntries(
    deliveries(town).map((row) => [
      row.forwardPath,
      `${row.state}${row.stateReason === null ? '' : ` ${row.stateReason}`}`,
    ]),
  );
}
export function noticesTo(town: Town, address: string): string[] {
  return town.exchange.accepted
    .filter(({ forwardPath }) => forwardPath.address === address)
    .map(({ content }) => Buffer.from(content).toString('latin1'));
}
export const recipient = (address: string, more: object = {}) => ({ address, notify: null, orcpt: null, ...more });
