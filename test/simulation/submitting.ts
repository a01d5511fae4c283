// A pipeline with submitters, and what the tests of outbound mail ask of it.

import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import type { Submitted } from './submitted.ts';

export const HOUR = 3_600_000;
export const ULID = '01JD0000000000000000000000';
export const EML = `out/exchange/${ULID}.eml`;
export const ENVELOPE = `out/exchange/${ULID}.envelope.json`;
export const ANN = 'ann@example.com';
export const BOB = 'bob@far.example';

const smart = pipelineSettings.nextHops.exchange;
if (smart === undefined) throw new Error('the pipeline has no next hop');
const to = (via: string) => [{ via, address: null, copy: false, returnPath: 'keep' as const }];
export const settings: Settings = {
  ...pipelineSettings,
  nextHops: { ...pipelineSettings.nextHops, smart },
  routes: [
    ...pipelineSettings.routes,
    { match: ['*@far.example'], direction: 'outbound', to: to('smart'), fallback: null },
  ],
  submitters: {
    exchange: { secret: 's', senderDomains: ['example.com'] },
    cron: { secret: 's', senderDomains: ['cron.example'] },
    printers: { secret: null, senderDomains: ['example.com'], from: ['192.168.10.0/24'] },
  },
  retry: { ...pipelineSettings.retry, lifetimeMs: 3 * HOUR },
};

export const ok = { code: 250, status: '2.0.0', text: 'Ok' };
export const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
/** To our own side all is taken; what Bob's server says is the script's. */
const farSays =
  (script: Script): Script =>
  (forwardPath, attempt, transaction) =>
    forwardPath.domainKey === 'far.example' ? script(forwardPath, attempt, transaction) : ok;

export function pipelineOf(script: Script = () => ok, interrupt = new Interrupt(), given = settings): TestPipeline {
  return new TestPipeline(farSays(script), interrupt, given);
}

export async function lived(
  submitted: Submitted,
  script?: Script,
  submitter = 'exchange',
  given = settings,
): Promise<TestPipeline> {
  const pipeline = pipelineOf(script, new Interrupt(), given);
  pipeline.submit(submitter, ULID, submitted);
  await pipeline.live(24 * 7);
  return pipeline;
}

export function deliveries(pipeline: TestPipeline): readonly DeliveryRow[] {
  return pipeline.ledger.all().filter((row) => row.kind === 'delivery');
}
export function endsOf(pipeline: TestPipeline): Record<string, string> {
  return Object.fromEntries(
    deliveries(pipeline).map((row) => [
      row.forwardPath,
      `${row.state}${row.stateReason === null ? '' : ` ${row.stateReason}`}`,
    ]),
  );
}
export function noticesTo(pipeline: TestPipeline, address: string): string[] {
  return pipeline.exchange.accepted
    .filter(({ forwardPath }) => forwardPath.address === address)
    .map(({ content }) => Buffer.from(content).toString('latin1'));
}
export const recipient = (address: string, more: object = {}) => ({ address, notify: null, orcpt: null, ...more });
