// DKIM signatures behind the SMTP client: the content as relay gives it, in chunks of every size, to servers with and
// without extensions; and what the server took, verified by a verifier that is not ours. A signature notices what no
// reader would: a blank, a fold, a line end. The whole way through the template is test/e2e/signatures.test.ts.

import { describe, expect, it } from 'vitest';
import { SmtpNextHop } from '#adapters/smtp/next-hop.ts';
import { intactEdit } from '#core/message/header.ts';
import { withoutRemovedFields } from '#core/message/removed-fields.ts';
import { relayFields } from '#core/message/trace-fields.ts';
import { catcher } from '../../e2e/smtp.ts';
import { verifySignatures } from '../../judges/dkim.ts';
import { signedMessages, usualFields } from '../../kit/signed-messages.ts';
import { type Kind, makeSigner, usualKinds } from '../../kit/signing.ts';
import { mailbox, message, never, patient, settings } from './smtp-case.ts';

const signer = makeSigner('src.example');
/** As SES puts it above each message that it stores. */
const BLOCK =
  'Return-Path: <ann@src.example>\r\nReceived: from a (a [192.0.2.1]) by inbound-smtp.eu-west-1.amazonaws.com;\r\n' +
  ' Mon, 03 Mar 2025 10:00:00 +0000\r\nX-SES-Spam-Verdict: PASS\r\nX-SES-Virus-Verdict: PASS\r\n';
type Way = readonly [name: string, kind: 'smtp' | 'lmtp', pipelining: boolean, offers: readonly string[] | undefined];
const ways: readonly Way[] = [
  ['smtp', 'smtp', true, undefined],
  ['smtp, one by one', 'smtp', false, undefined],
  ['smtp to a server without 8BITMIME or any other extension', 'smtp', true, []],
  ['lmtp', 'lmtp', true, undefined],
];
const SIZES = [1, 7, 61, 4_096, 65_536];

async function* inChunks(content: Buffer, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < content.length; at += size) {
    const chunk = Buffer.from(content.subarray(at, at + size));
    yield chunk;
    chunk.fill('!'); // it is the reader's again
  }
}

function asRelayed(stored: Buffer, size: number, direction: 'inbound' | 'outbound'): AsyncIterable<Uint8Array> {
  const ours = relayFields({
    ...{ host: 'example.com', deliveryId: 'd/1', forwardPath: 'bob@example.com', spoolId: 'd', markKey: 'key' },
    ...{ now: Date.UTC(2026, 0, 1), possibleDuplicate: true },
  });
  return intactEdit(withoutRemovedFields(inChunks(stored, size), { direction, domains: ['example.com'] }), ours);
}

/** What of its signatures verifies behind the server, for each size of chunks. */
async function behind(
  [, kind, pipelining, offers]: Way,
  stored: Buffer,
  sizes: readonly number[],
  direction: 'inbound' | 'outbound' = 'inbound',
): Promise<string[][]> {
  const server = await catcher(offers === undefined ? {} : { offers });
  const given = { ehloName: 'our.example', credentials: null, timeoutsMs: patient };
  const hop = new SmtpNextHop(settings({ kind, port: server.port, pipelining }), given);
  try {
    for (const size of sizes) {
      const content = asRelayed(stored, size, direction);
      const forwardPaths = kind === 'smtp' ? [mailbox('bob@dest.example'), mailbox('eve@dest.example')] : undefined;
      const results = await hop.attempt(
        message({ content, bytes: null, ...(forwardPaths && { forwardPaths }) }),
        never(),
      );
      for (const result of results) expect(result).toMatchObject({ kind: 'reply', reply: { code: 250 } });
    }
    const each = server.caught.map(({ content }) => verifySignatures(content, signer.zone));
    return (await Promise.all(each)).map((found) => found.map(({ name, result }) => `${name} ${result}`));
  } finally {
    await hop.close();
    await server.close();
  }
}

const ALL_PASS = usualKinds.map(({ name }) => `${name} pass`);

describe.each(ways)('%s', (...way: Way) => {
  it.each(signedMessages)('every signature verifies: %s', async (_what, content) => {
    const stored = Buffer.concat([Buffer.from(BLOCK), await signer.signed(content, usualKinds)]);
    const sizes = stored.length > 50_000 ? SIZES.slice(2) : SIZES;
    expect(await behind(way, stored, sizes)).toEqual(sizes.map(() => ALL_PASS));
  });
});

describe('fields that are taken out', () => {
  const way: Way = ['smtp', 'smtp', true, undefined];
  const bcc: Kind = { name: 'other', algorithm: 'rsa', canonicalization: 'simple/simple', fields: ['From', 'Bcc'] };
  const content = Buffer.from(`${usualFields}Bcc: a@src.example,\r\n b@src.example\r\n\r\nHello\r\n`);

  it('leave the signatures that do not cover them, folds and all', async () => {
    const folded = 'X-SES-Receipt: a\r\n\tb\r\n c\r\n';
    const stored = Buffer.from(`Subject: first\r\n${folded}${content.toString('latin1')}`, 'latin1');
    const signed = await signer.signed(stored, usualKinds);
    expect(await behind(way, signed, SIZES, 'outbound')).toEqual(SIZES.map(() => ALL_PASS));
    expect(await behind(way, signed, SIZES)).toEqual(SIZES.map(() => ALL_PASS));
  });

  it('Bcc of inbound mail is none of them; that of our side is, and a signature over it breaks', async () => {
    const signed = await signer.signed(content, [bcc]);
    expect(await behind(way, signed, [61])).toEqual([['other pass']]);
    expect(await behind(way, signed, [61], 'outbound')).toEqual([['other fail: bad signature']]);
  });
});
