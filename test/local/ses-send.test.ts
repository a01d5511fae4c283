// The emulated SES's sending: the conformance suite, and what only the emulator can show: what it sends, keeps after a crash, and skips.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReceivedMail } from '#local/aws/ses-bounce.ts';
import { openOutgoing } from '#local/aws/ses-outgoing.ts';
import { createSes } from '#local/aws/ses-send.ts';
import type { World } from '#local/world.ts';
import { sesSendConformance } from '#test/conformance/ses-send.ts';
import { sesNextHopFor } from '#test/contract/ses-next-hop.ts';
import { type StartedEmulators, startEmulators } from './start-emulators.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-ses-'));
const out = join(folder, 'out');
let aws: StartedEmulators;
const rules = {} as Parameters<typeof createSes>[1]; // receipt rules are none of what is tested here

function serve(world: World, suppressed: (address: string) => boolean = () => false) {
  const outgoing = openOutgoing(world, { folder: out }, suppressed);
  const mail: ReceivedMail = {
    reversePath: 'ann@src.example',
    forwardPaths: ['bob@example.com'],
    acceptedAt: Date.now(),
  };
  const received = (id: string) => (id === 'received-1' ? mail : null);
  return { outgoing, service: createSes(world, rules, { outgoing, verifiedDomains: () => ['example.com'], received }) };
}

beforeAll(async () => {
  aws = await startEmulators({ dataFolder: join(folder, 'data') });
  aws.front.add(serve(aws.world, (address) => address.startsWith('suppressed@')).service);
});
afterAll(async () => {
  await aws.close();
  rmSync(folder, { recursive: true, force: true });
});
const config = () => ({ endpoint: aws.endpoint, region: 'eu-west-1', credentials: aws.credentials });

describe('SES sending conforms', () => {
  sesSendConformance(() => ({
    config: config(),
    from: 'postmaster@example.com',
    to: 'to@far.example',
    received: { sesMessageId: 'received-1', forwardPath: 'bob@example.com' },
  }));
});

async function sent(to: string): Promise<string> {
  for (let i = 0; i < 100; i += 1) {
    try {
      const [name] = readdirSync(join(out, to, 'new'));
      if (name !== undefined) return readFileSync(join(out, to, 'new', name), 'latin1');
    } catch {
      // not there yet
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing came for ${to}`);
}

describe('what it sends', () => {
  it('has a Message-ID, a Date and fields of its own, and the body as it was', async () => {
    const raw = 'From: a@example.com\r\nMessage-ID: <mine@x>\r\nDate: never\r\nSubject: s\r\n\r\nbody\xff\r\n';
    const client = new SESv2Client(config());
    const { MessageId } = await client.send(
      new SendEmailCommand({
        FromEmailAddress: 'a@example.com',
        Destination: { ToAddresses: ['own@far.example'] },
        Content: { Raw: { Data: Buffer.from(raw, 'latin1') } },
      }),
    );
    client.destroy();
    const text = await sent('own@far.example');
    expect(text).toContain(`Message-ID: <${MessageId}@eu-west-1.amazonses.com>`);
    expect(text).not.toMatch(/<mine@x>|Date: never/);
    expect(text.endsWith('Subject: s\r\n\r\nbody\xff\r\n')).toBe(true);
    expect(text).toMatch(/^Return-Path: <0102\S+@eu-west-1\.amazonses\.com>\r\n/);
  });

  it('goes to nobody who is suppressed, although it was taken', async () => {
    const hop = sesNextHopFor(config());
    const [result] = await hop.attempt(transactionTo('suppressed@far.example'), new AbortController().signal);
    expect(result).toMatchObject({ kind: 'reply', reply: { code: 250 } });
    expect(() => readdirSync(join(out, 'suppressed@far.example'))).toThrow();
    await hop.close();
  });
});

describe('the next hop that is SES', () => {
  it('needs both permissions on the identity that it sends as', async () => {
    const may = (actions: readonly string[], on: string) =>
      aws.role(`sender-${actions.length}-${on}`, [
        { Effect: 'Allow', Action: actions, Resource: `arn:aws:ses:eu-west-1:000000000000:identity/${on}` },
      ]);
    const results: unknown[] = [];
    for (const credentials of [
      may(['ses:SendEmail', 'ses:SendRawEmail'], 'example.com'),
      may(['ses:SendEmail'], 'example.com'),
      may(['ses:SendEmail', 'ses:SendRawEmail'], 'other.example'),
    ]) {
      const hop = sesNextHopFor({ ...config(), credentials });
      const [result] = await hop.attempt(transactionTo('to@far.example'), new AbortController().signal);
      results.push(result?.kind === 'service' ? result.name : result?.kind);
      await hop.close();
    }
    expect(results).toEqual(['reply', 'AccessDeniedException', 'AccessDeniedException']);
  });

  it('refuses what is too large before a byte is read, and says both numbers', async () => {
    const hop = sesNextHopFor(config());
    const untouched = {
      // biome-ignore lint/correctness/useYield: it must not be asked at all
      async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
        throw new Error('it was read');
      },
    };
    const transaction = { ...transactionTo('to@far.example'), bytes: 29_000_001, content: untouched };
    expect(await hop.attempt(transaction, new AbortController().signal)).toMatchObject([
      { kind: 'capability', fault: 'size-exceeded', sizeMax: 29_000_000 },
    ]);
    await hop.close();
  });

  it('says that a result is not known where none came', async () => {
    aws.faults.add({ service: 'ses', operation: 'SendEmail', effect: 'lose-response', times: 1 });
    const hop = sesNextHopFor(config());
    const [result] = await hop.attempt(transactionTo('lost@far.example'), new AbortController().signal);
    expect(result).toMatchObject({ kind: 'network', phase: 'final-dot' });
    expect(await sent('lost@far.example')).toContain('via example.com');
    await hop.close();
  });
});

function transactionTo(address: string) {
  const content = Buffer.from('From: Ann <ann@src.example>\r\nSubject: s\r\n\r\nbody\r\n');
  const [localPart = '', domain = ''] = address.split('@');
  return {
    reversePath: null,
    forwardPaths: [{ address, localPart, domain, domainKey: domain }],
    bytes: content.length,
    content: (async function* () {
      yield content;
    })(),
    tag: 'm1-key',
  };
}
