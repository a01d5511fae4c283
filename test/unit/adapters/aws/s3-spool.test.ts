// S3Spool by what S3 answers, call by call: which version of an object is read, what a refusal is taken for, and a body
// that ends too soon.

import { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import type { OpenedContent } from '#pipeline/ports.ts';

const { signal } = new AbortController();
const refused = (name: string, httpStatusCode: number) =>
  Object.assign(new Error('because'), { name, $metadata: { httpStatusCode } });
type Versions = { readonly Versions?: object[]; readonly DeleteMarkers?: object[] };

/** An object `in/x` whose current version is refused so; its versions' bodies by their ids. */
function spoolOf(
  refusal: Error | null,
  versions: Versions,
  bodies: Readonly<Record<string, string>>,
  announced?: number,
) {
  const client = {
    send: async (command: unknown) => {
      if (command instanceof ListObjectVersionsCommand) return versions;
      if (!(command instanceof GetObjectCommand)) throw new Error('an unexpected call');
      const { VersionId = 'current' } = command.input;
      if (VersionId === 'current' && refusal !== null) throw refusal;
      const text = bodies[VersionId];
      if (text === undefined) throw refused('NoSuchVersion', 404);
      return { Body: Readable.from([Buffer.from(text)]), ContentLength: announced ?? text.length, VersionId };
    },
  } as unknown as S3Client;
  return new S3Spool(client, 'spool', { lister: client });
}
async function textOf(content: OpenedContent): Promise<string> {
  if (content.kind !== 'opened') return `${content.kind} ${content.cause}`;
  let text = '';
  for await (const chunk of content.chunks) text += Buffer.from(chunk).toString();
  return text;
}
const marker = (Key: string, IsLatest = true) => ({ Key, IsLatest });
const version = (Key: string, VersionId: string) => ({ Key, VersionId });

describe('what a delete marker hides is read by its version', () => {
  // Without ListBucket S3 says 403 of a key that is not there.
  it.each([
    ['NoSuchKey', 404],
    ['AccessDenied', 403],
  ])('where S3 says %s', async (name, status) => {
    const versions = { DeleteMarkers: [marker('in/x')], Versions: [version('in/x', 'v2'), version('in/x', 'v1')] };
    const content = await spoolOf(refused(name, status), versions, { v1: 'old', v2: 'new' }).open('in/x', signal);
    expect(content).toMatchObject({ kind: 'opened', undeleted: true, version: 'v2' });
    expect(await textOf(content)).toBe('new');
  });
  it.each([
    ['that is not the latest', { DeleteMarkers: [marker('in/x', false)], Versions: [version('in/x', 'v1')] }],
    ['of another key', { DeleteMarkers: [marker('in/x2')], Versions: [version('in/x', 'v1')] }],
    ['above another key’s version', { DeleteMarkers: [marker('in/x')], Versions: [version('in/x2', 'v1')] }],
    ['that is not there', { Versions: [version('in/x', 'v1')] }],
  ] as [string, Versions][])('and not under a marker %s', async (_name, versions) => {
    const spool = spoolOf(refused('AccessDenied', 403), versions, { v1: 'somebody else’s' });
    expect(await textOf(await spool.open('in/x', signal))).toBe('unreadable denied');
  });
});

it.each([
  ['TooManyRequests', 429, 'unavailable'],
  ['RequestTimeout', 408, 'unavailable'],
  ['SlowDown', 503, 'unavailable'],
  ['AccessDenied', 403, 'denied'],
  ['NoSuchKey', 404, 'missing'],
  ['InvalidRange', 416, 'empty'],
])('%s (%i) is %s', async (name, status, cause) => {
  expect(await spoolOf(refused(name, status), {}, {}).open('in/x', signal)).toMatchObject({
    kind: 'unreadable',
    cause,
  });
});

it('a body that ends before its length is not the content, though no error says so', async () => {
  const spool = spoolOf(null, {}, { current: 'half' }, 8);
  await expect(textOf(await spool.open('in/x', signal))).rejects.toThrow('ended after 4 of 8 bytes');
  expect(await spool.head('in/x', 100, signal)).toMatchObject({ kind: 'unreadable', cause: 'unavailable' });
});
