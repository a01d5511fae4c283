// An Everpost with a next hop of each kind that hands messages on as they are, and SES, which does not; behind each one
// a server that keeps exact bytes. For tests of signatures, with and without a corpus.

import { createHash, randomBytes } from 'node:crypto';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { discard, type Instance, start, tool, until } from './instance.ts';
import { type Catcher, type Caught, catcher, type Sent, sendMail } from './smtp.ts';
import { envelopeOf } from './submitting.ts';

/**
 * By SMTP with all extensions; without pipelining; to a server without any extension, 8BITMIME among them; by LMTP;
 * with SMTPUTF8; to two recipients of one server.
 */
export const intactWays = ['pipelined', 'one-by-one', 'no-extensions', 'lmtp', 'smtputf8', 'two-recipients'] as const;
type Way = (typeof intactWays)[number] | 'ses' | 'submitted';

export type SignedWays = {
  readonly instance: Instance;
  /** One transaction at the front door, with a recipient for each of the ways (two for `two-recipients`). */
  send(reversePath: string, ways: readonly Way[], content: Uint8Array): Promise<Sent>;
  /** As the submitter `app`, whose domain is app.example. */
  submit(reversePath: string, content: Uint8Array): Promise<void>;
  /** What came out by this way, or as a notice to the sender: as many as were sent; fewer where time was over. */
  came(way: Way, reversePath: string, timeoutMs: number): Promise<readonly Caught[]>;
  noticeTo(reversePath: string): Caught | null;
  close(): Promise<void>;
};

export async function openSignedWays(): Promise<SignedWays> {
  const servers = new Map<Way, Catcher>();
  for (const way of [...intactWays, 'ses', 'submitted'] as const)
    servers.set(way, await catcher(way === 'no-extensions' ? { offers: ['SIZE 60000000'] } : {}));
  const at = (way: Way) => servers.get(way) as Catcher;
  const args = ['--ses-out', `127.0.0.1:${at('ses').port}`];
  const instance = await start({
    config: configFor(at),
    args,
    secrets: { 'everpost/app': { username: 'app', password: 'secret' } },
  });
  const noticeTo = (reversePath: string) =>
    at('pipelined').caught.find((it) => it.reversePath === '' && it.forwardPaths[0] === reversePath) ?? null;
  /** SES writes a reverse-path of its own. */
  const cameBy = (way: Way, reversePath: string) =>
    at(way).caught.filter((it) =>
      way === 'ses' ? it.forwardPaths[0] === recipientsOf(way, reversePath)[0] : it.reversePath === reversePath,
    );
  return {
    instance,
    noticeTo,
    send: (reversePath, ways, content) =>
      sendMail(
        instance.mx,
        reversePath,
        ways.flatMap((way) => recipientsOf(way, reversePath)),
        content,
      ),
    submit: (reversePath, content) => submit(instance, reversePath, content),
    async came(way, reversePath, timeoutMs) {
      const wanted = recipientsOf(way, reversePath).length;
      await until(() => {
        const found = cameBy(way, reversePath).length + (noticeTo(reversePath) === null ? 0 : wanted);
        return found >= wanted ? true : null;
      }, timeoutMs);
      return cameBy(way, reversePath);
    },
    async close() {
      await discard(instance);
      for (const server of servers.values()) await server.close();
    },
  };
}

function recipientsOf(way: Way, reversePath: string): string[] {
  const user = `for-${reversePath}`.replace('@', '.at.');
  if (way === 'ses') return [`${user}@ses.example`];
  return way === 'two-recipients'
    ? [`${user}@${way}.example`, `also-${user}@${way}.example`]
    : [`${user}@${way}.example`];
}

function configFor(at: (way: Way) => Catcher): object {
  const plain = (way: Way) => ({ kind: 'smtp', host: '127.0.0.1', port: at(way).port, tls: 'off' });
  const nextHops = Object.fromEntries([...intactWays, 'submitted' as const].map((way) => [way, plain(way)]));
  return {
    domains: ['example.com', 'ses.example', ...intactWays.map((way) => `${way}.example`)],
    nextHops: {
      ...nextHops,
      'one-by-one': { ...plain('one-by-one'), pipelining: false },
      lmtp: { ...plain('lmtp'), kind: 'lmtp' },
      ses: { kind: 'ses' },
    },
    routes: [
      { match: '*@example.com', to: [{ via: 'pipelined' }] },
      { match: '*@ses.example', to: [{ via: 'ses' }] },
      { match: '*@smtputf8.example', to: [{ via: 'smtputf8', address: 'jörg@far.example', returnPath: 'keep' }] },
      ...intactWays
        .filter((way) => way !== 'smtputf8')
        .map((way) => ({ match: `*@${way}.example`, to: [{ via: way }] })),
      { match: '*@submitted.example', direction: 'outbound', to: [{ via: 'submitted' }] },
    ],
    submitters: { app: { secret: 'everpost/app', senderDomains: ['app.example'] } },
    policy: { spam: 'relay', virus: 'relay', dmarcReject: 'relay', unscanned: 'relay' },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'pipelined' },
  };
}

/** A submitter's two objects, in their order (docs/interfaces.md). */
async function submit(instance: Instance, reversePath: string, content: Uint8Array): Promise<void> {
  const reached = await tool<{ endpoint: string; region: string; credentials: never; bucketName: string }>(
    instance,
    'GET',
    '/endpoint',
  );
  const client = new S3Client({ ...reached, forcePathStyle: true });
  const digits = createHash('sha256').update(content).update(randomBytes(8)).digest('hex').toUpperCase();
  const stem = `out/app/0${digits.slice(0, 25)}`;
  const put = (Key: string, Body: Uint8Array | string) =>
    client.send(new PutObjectCommand({ Bucket: reached.bucketName, Key, Body, IfNoneMatch: '*' }));
  try {
    await put(`${stem}.eml`, content);
    await put(`${stem}.envelope.json`, envelopeOf(recipientsOf('submitted', reversePath), content, { reversePath }));
  } finally {
    client.destroy();
  }
}
