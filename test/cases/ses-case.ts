// The kind `live-ses`: one message to the emulated SES, through the pipeline and the real client. Its end is in the
// ledger, and what SES sent lies in a folder.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sesSendClient } from '#adapters/aws/clients.ts';
import { SesNextHop } from '#adapters/aws/ses-next-hop.ts';
import { openConfigurationSets } from '#aws-local/ses/configuration-sets.ts';
import { openOutgoing } from '#aws-local/ses/outgoing.ts';
import { openEvents } from '#aws-local/ses/sending-events.ts';
import { createSes } from '#aws-local/ses/ses.ts';
import { startEmulators } from '#aws-local/start-emulators.ts';
import { CasePipeline, caseSettings } from './case-pipeline.ts';
import { type Case, differences, expected, type Faults, fileOf, only, textOf, textsOf } from './read-case.ts';

const FAR = 'case@far.test';

/** `wants` and `expect.has` are asked of the header section that SES sent. */
export async function liveSes(it: Case): Promise<Faults> {
  only(it.given, ['file', 'from', 'wants', 'expect'], it.name);
  const { has, ...expect } = expected(it, ['state', 'reason', 'status', 'has']);
  const folder = mkdtempSync(join(tmpdir(), 'everpost-case-ses-'));
  const aws = await startEmulators();
  const sets = openConfigurationSets(aws.world, aws.store, async () => {});
  sets.create({ name: 'everpost', maxDeliverySeconds: null, suppresses: false });
  const outgoing = openOutgoing(
    aws.world,
    { folder },
    { sets, events: openEvents(aws.world, aws.store, sets, async () => {}) },
  );
  const noRules = {} as Parameters<typeof createSes>[1]; // receipt rules are none of what is asked
  const sending = { outgoing, identities: () => ['in.test'], received: () => null, configurationSets: sets };
  aws.front.add(createSes(aws.world, noRules, sending));
  const client = sesSendClient({ endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials });
  const terms = {
    domains: ['in.test'],
    noticesFrom: 'postmaster@in.test',
    region: aws.region,
    configurationSet: 'everpost',
  };
  const hop = new SesNextHop(client, terms);
  try {
    const pipeline = new CasePipeline(caseSettings({ kind: 'ses' }, FAR), hop);
    pipeline.receive(fileOf(it, 'file'), textOf(it.given.from ?? 'zoe@src.test', 'from'), ['ses@in.test']);
    await pipeline.live();
    const [row] = pipeline.deliveries();
    const faults = differences(expect, { state: row?.state, reason: row?.stateReason, status: row?.lastStatus });
    const said = `${row?.stateReason ?? 'no reason'}: ${row?.lastReply?.text ?? row?.trace.at(-1)?.reason ?? ''}`;
    if (row?.state !== 'relayed') return faults.map((fault) => `${fault} (${said})`);
    return [...faults, ...headerFaults(it, has, await sentBy(folder))];
  } finally {
    await hop.close();
    outgoing.stop();
    await aws.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function sentBy(folder: string): Promise<string | null> {
  const inbox = join(folder, FAR, 'new');
  for (let i = 0; i < 100; i += 1) {
    try {
      const [name] = readdirSync(inbox);
      if (name !== undefined) return readFileSync(join(inbox, name), 'latin1');
    } catch {
      // not there yet
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return null;
}

function headerFaults(it: Case, has: unknown, sent: string | null): Faults {
  if (sent === null) return ['relayed, and SES sent nothing'];
  if (it.given.wants === undefined) return [];
  const text = sent.split('\r\n\r\n')[0] ?? '';
  return textsOf(it.given.wants, 'wants').flatMap((want, index) =>
    new RegExp(want, 'm').test(text) === (Array.isArray(has) ? has[index] : true)
      ? []
      : [`/${want}/ in the header section`],
  );
}
