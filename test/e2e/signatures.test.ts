// DKIM signatures after each way out: what the next hop took, byte for byte, verified by a verifier that is not ours.
// Everything that a relay could break is in one message or another. What SMTP itself breaks, and what Everpost takes
// out on purpose, is here too, with the signature that it costs.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyByDkimpy, verifySignatures } from '../judges/dkim.ts';
import { signedMessages, usualFields } from '../kit/signed-messages.ts';
import { type Kind, makeSigner, usualKinds } from '../kit/signing.ts';
import { deviations, submittedFields } from './arrival.ts';
import { intactWays, openSignedWays, type SignedWays } from './signed-ways.ts';

const signer = makeSigner('src.example');
let ways: SignedWays;
let count = 0;

beforeAll(async () => {
  ways = await openSignedWays();
});
afterAll(() => ways?.close());

const FIELDS = usualFields;
const bytes = (text: string) => Buffer.from(text, 'latin1');
const withBody = (body: string) => bytes(`${FIELDS}\r\n${body}`);
const OWNERS = 'From: Ann <ann@example.com>';

async function verdicts(content: Uint8Array): Promise<string[]> {
  return (await verifySignatures(content, signer.zone)).map(({ name, result }) => `${name} ${result}`);
}
const ALL_PASS = usualKinds.map(({ name }) => `${name} pass`);
const next = (domain = 'src.example') => `n${++count}@${domain}`;

/** What each next hop took of one message. */
async function taken(content: Buffer, given: readonly ((typeof intactWays)[number] | 'ses')[], reversePath = next()) {
  expect((await ways.send(reversePath, given, content)).code).toBe(250);
  const came: [string, Buffer][] = [];
  for (const way of given) {
    const those = await ways.came(way, reversePath, 60_000);
    expect(those, `${way}: ${ways.instance.output.slice(-3000)}`).toHaveLength(way === 'two-recipients' ? 2 : 1);
    came.push(...those.map((each): [string, Buffer] => [way, each.content]));
  }
  return came;
}

describe('every signature verifies behind every next hop but SES', () => {
  const arrivals: { readonly content: Buffer; readonly arrived: readonly Buffer[] }[] = [];

  it.each(signedMessages)('%s', async (_what, message) => {
    const content = await signer.signed(message, usualKinds);
    expect(await verdicts(content)).toEqual(ALL_PASS);
    const came = await taken(content, intactWays);
    const found = await Promise.all(came.map(async ([way, each]) => [way, await verdicts(each)]));
    expect(found).toEqual(came.map(([way]) => [way, ALL_PASS]));
    for (const [, each] of came) expect(deviations(content, each)).toEqual([]);
    arrivals.push({ content, arrived: came.map(([, each]) => each) });
  });

  it('and by dkimpy, of Debian’s python3-dkim, wherever it lets a signature pass before', async () => {
    const before = await verifyByDkimpy(
      arrivals.map(({ content }) => content),
      signer.zone,
    );
    expect(before.filter((found) => found.every(([, result]) => result === 'pass')).length).toBeGreaterThan(10);
    for (const [index, { arrived }] of arrivals.entries()) {
      const passed = (before[index] ?? []).filter(([, result]) => result === 'pass');
      for (const found of await verifyByDkimpy(arrived, signer.zone))
        expect(found).toEqual(expect.arrayContaining(passed));
    }
  });

  it('36 MB', async () => {
    const line = `${'All work and no play. '.repeat(3)}\r\n.dotted\r\n`;
    const content = await signer.signed(withBody(line.repeat(Math.ceil((36 << 20) / line.length))), usualKinds);
    const came = await taken(content, ['pipelined']);
    for (const [, each] of came) expect(await verdicts(each)).toEqual(ALL_PASS);
  });

  it('a line end in the form of LF alone leaves as CRLF, over which RFC 6376 §5.3 has it signed', async () => {
    const content = await signer.signed(withBody('one\ntwo\n\nthree\r\n'), usualKinds);
    const [[, arrived] = []] = await taken(content, ['pipelined']);
    expect(await verdicts(arrived ?? content)).toEqual(ALL_PASS);
    expect(arrived?.includes('one\r\ntwo\r\n\r\nthree\r\n')).toBe(true);
  });
});

describe('a signature breaks', () => {
  it('over a CR alone, which must not leave as it is (RFC 5321 §2.3.8)', async () => {
    const content = await signer.signed(withBody('Hello there, how are you\rtwo\r\n'), usualKinds);
    expect(await verdicts(content)).toEqual(ALL_PASS);
    const [[, arrived] = []] = await taken(content, ['pipelined']);
    const broken = ALL_PASS.map((each) => each.replace('pass', 'neutral: body hash did not verify'));
    // The one that covers the first 20 octets alone does not cover it.
    expect(await verdicts(arrived ?? content)).toEqual(
      broken.map((each) => (/^length/.test(each) ? 'length pass' : each)),
    );
  });

  it('over a verdict in our name or in that of SES', async () => {
    const forged = `Authentication-Results: amazonses.com; dmarc=pass\r\nX-SES-Virus-Verdict: none\r\n${FIELDS}\r\nHello\r\n`;
    const over = (...fields: string[]): Kind => ({ ...relaxed, name: 'other', fields: ['From', ...fields] });
    const kinds = [relaxed, over('Authentication-Results'), over('X-SES-Virus-Verdict')];
    const content = await signer.signed(bytes(forged), kinds);
    expect(await verdicts(content)).toEqual(['relaxed pass', 'other pass', 'other pass']);
    const [[, arrived] = []] = await taken(content, ['pipelined']);
    // Each reads SES's own field in the place of the forged one.
    expect(await verdicts(arrived ?? content)).toEqual(['relaxed pass', ...Array(2).fill('other fail: bad signature')]);
  });
});
const relaxed: Kind = { name: 'relaxed', algorithm: 'rsa', canonicalization: 'relaxed/relaxed' };

describe('what a submitter signed', () => {
  const fields = FIELDS.replaceAll('src.example', 'app.example');
  it.each([
    ['as it is', `${fields}\r\nHello\r\n.dots\r\n`],
    ['without an end of its last line', `${fields}\r\nHello`],
    ['with a Bcc that is taken out', `${fields}Bcc: hidden@far.example,\r\n other@far.example\r\n\r\nHello\r\n`],
  ])('verifies: %s', async (_what, text) => {
    const content = await signer.signed(bytes(text), usualKinds);
    const reversePath = next('app.example');
    await ways.submit(reversePath, content);
    const [came] = await ways.came('submitted', reversePath, 60_000);
    expect(await verdicts(came?.content ?? Buffer.alloc(0)), ways.instance.output.slice(-3000)).toEqual(ALL_PASS);
    expect(came?.content.includes('hidden@far')).toBe(false);
    if (!text.includes('Bcc')) expect(deviations(content, came?.content ?? content, [], submittedFields)).toEqual([]);
  });

  it('does not where the signature covers Bcc', async () => {
    const kinds: Kind[] = [relaxed, { ...relaxed, name: 'other', fields: ['From', 'Bcc'] }];
    const content = await signer.signed(bytes(`${fields}Bcc: hidden@far.example\r\n\r\nHello\r\n`), kinds);
    const reversePath = next('app.example');
    await ways.submit(reversePath, content);
    const [came] = await ways.came('submitted', reversePath, 60_000);
    expect(await verdicts(came?.content ?? content)).toEqual(['relaxed pass', 'other fail: bad signature']);
  });
});

describe('by SES', () => {
  const ours = `${FIELDS.replace('From: Ann <ann@src.example>', OWNERS)}\r\nHello\r\n`;
  const dated: Kind = { ...relaxed, fields: ['From', 'To', 'Subject', 'Date', 'MIME-Version', 'Content-Type'] };
  const undated = (canonicalization: string): Kind => ({
    ...{ ...relaxed, canonicalization },
    fields: ['From', 'To', 'Subject', 'MIME-Version', 'Content-Type'],
  });
  /** Those of SES's own are not asked. */
  const afterSes = async (text: string, kind: Kind) => {
    const [[, arrived] = []] = await taken(await signer.signed(bytes(text), [kind]), ['ses'], next('example.com'));
    return (await verifySignatures(arrived ?? Buffer.alloc(0), signer.zone))
      .filter(({ domain }) => domain === signer.domain)
      .map(({ result }) => result);
  };

  it.each(['simple/simple', 'relaxed/relaxed'])('%s verifies where author and body stay', async (canonicalization) => {
    expect(await afterSes(ours, undated(canonicalization))).toEqual(['pass']);
  });
  it('does not where it covers the Date, which SES replaces', async () => {
    expect(await afterSes(ours, dated)).toEqual(['fail: bad signature']);
  });
  it('is taken out where the body is encoded anew, and where the author is written anew', async () => {
    expect(
      await afterSes(ours.replace('\r\n\r\nHello', `\r\n\r\n${'x'.repeat(2_000)}`), undated('relaxed/relaxed')),
    ).toEqual([]);
    expect(await afterSes(`${FIELDS}\r\nHello\r\n`, undated('relaxed/relaxed'))).toEqual([]);
  });
});

describe('Received', () => {
  it('of ours names no address, so that the first one below it that does is that of SES', async () => {
    for (const [, each] of await taken(withBody('Hello\r\n'), intactWays)) {
      const section = each.toString('latin1', 0, each.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
      const received = section.split('\r\n').filter((line) => /^received:/i.test(line));
      expect(received[0]).toMatch(/ \(Everpost\) with HTTP /);
      const first = received.findIndex((line) => /\[[\d.]+\]|\[IPv6:|\b\d+\.\d+\.\d+\.\d+\b/i.test(line));
      expect(first).toBe(1);
      expect(received[first]).toMatch(/\[127\.0\.0\.1\]\) by inbound-smtp\.[a-z0-9-]+\.amazonaws\.com /);
    }
  });
});
