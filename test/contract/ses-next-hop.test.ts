// The next hop that is SES, against the emulated SES: permissions, sizes, lines too long, lost answers.
// What SES itself does is asked beside its emulator.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sesSendClient } from '#adapters/aws/clients.ts';
import { SesNextHop } from '#adapters/aws/ses-next-hop.ts';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';

let aws: AwsLocal;
beforeAll(async () => {
  aws = await startAws({ mail: { domains: ['example.com'] } });
  aws.configurationSets.create({ name: 'everpost', maxDeliverySeconds: null, suppresses: true });
});
afterAll(() => aws.close());
const config = () => ({ endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials });

function sesNextHopFor(settings: Parameters<typeof sesSendClient>[0]): SesNextHop {
  return new SesNextHop(sesSendClient(settings), {
    domains: ['example.com'],
    noticesFrom: 'postmaster@example.com',
    region: aws.region,
    configurationSet: 'everpost',
  });
}

async function sent(to: string): Promise<string> {
  const inbox = join(aws.folder, 'ses-out', to, 'new');
  for (let i = 0; i < 100; i += 1) {
    try {
      const [name] = readdirSync(inbox);
      if (name !== undefined) return readFileSync(join(inbox, name), 'latin1');
    } catch {
      // not there yet
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing came for ${to}`);
}

describe('the next hop that is SES', () => {
  it('needs both permissions on the identity that it sends as, and on the configuration set', async () => {
    const both = ['ses:SendEmail', 'ses:SendRawEmail'];
    const ours = ['identity/example.com', 'configuration-set/everpost'];
    const may = (actions: readonly string[], on: readonly string[]) => {
      const Resource = on.map((name) => `arn:aws:ses:eu-west-1:000000000000:${name}`);
      return aws.role(`sender-${actions.join()}-${on.join()}`, [{ Effect: 'Allow', Action: actions, Resource }]);
    };
    const results: unknown[] = [];
    for (const credentials of [
      may(both, ours),
      may(['ses:SendEmail'], ours),
      may(both, ['identity/other.example', 'configuration-set/everpost']),
      may(both, ['identity/example.com', 'configuration-set/another']),
    ]) {
      const hop = sesNextHopFor({ ...config(), credentials });
      const [result] = await hop.attempt(transactionTo('to@far.example'), new AbortController().signal);
      results.push(result?.kind === 'service' ? result.name : result?.kind);
      await hop.close();
    }
    const denied = 'AccessDeniedException';
    expect(results).toEqual(['reply', denied, denied, denied]);
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

  it('encodes a body whose lines are too long, says so, and gives back one that may not be changed', async () => {
    const hop = sesNextHopFor(config());
    const head = 'From: Ann <ann@src.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/';
    const body = `; boundary=b\r\n\r\n--b\r\n\r\n${'long '.repeat(300)}\r\n--b--\r\n`;
    const attempt = async (type: string, address: string) => {
      const content = Buffer.from(`${head}${type}${body}`);
      return hop.attempt(transactionTo(address, content), new AbortController().signal);
    };
    expect(await attempt('mixed', 'mixed@far.example')).toMatchObject([{ kind: 'reply', reencoded: true }]);
    expect(await sent('mixed@far.example')).toMatch(
      /--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n(?:long )+/,
    );
    expect(await attempt('signed', 'signed@far.example')).toMatchObject([
      { kind: 'capability', fault: 'conversion-prohibited', detail: expect.stringContaining('signed') },
    ]);
    expect(await hop.attempt(transactionTo('plain@far.example'), new AbortController().signal)).toEqual([
      expect.not.objectContaining({ reencoded: true }),
    ]);
    await hop.close();
  });

  it('asks the size limit of what comes out', async () => {
    const hop = sesNextHopFor(config());
    const content = Buffer.from(`From: Ann <ann@src.example>\r\n\r\n${'\xff'.repeat(10_000_000)}`, 'latin1');
    expect(content.length).toBeLessThan(29_000_000);
    const transaction = transactionTo('large@far.example', content);
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

function transactionTo(
  address: string,
  content = Buffer.from('From: Ann <ann@src.example>\r\nSubject: s\r\n\r\nbody\r\n'),
) {
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
