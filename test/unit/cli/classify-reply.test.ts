// `everpost classify`: one line of JSON whose keys stand, words for people that begin with the outcome, and an answer
// to everything that somebody may paste.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { classifyVerb } from '#cli/classify-reply.ts';
import { Usage } from '#cli/exit.ts';
import { rowGroups } from '#core/reply/rules/providers.ts';

let out = '';
beforeEach(() => {
  out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

async function said(...args: string[]): Promise<string> {
  out = '';
  expect(await classifyVerb.run(args)).toBe(0);
  return out;
}
const json = async (...args: string[]) => JSON.parse(await said(...args, '--json')) as Record<string, unknown>;

describe('--json', () => {
  it('has these keys in this order, and nothing more', async () => {
    const found = await json('550 5.7.60 SMTP; Client does not have permissions to send as this sender', '--stage=dot');
    expect(Object.keys(found)).toEqual(['outcome', 'fault', 'reason', 'status', 'recognised', 'pace', 'rule', 'says']);
    expect(found).toMatchObject({ outcome: 'deferred', fault: 'operator', reason: 'send-as-refused' });
    expect(found).toMatchObject({ status: '5.7.60', recognised: true, pace: 'long', rule: expect.any(String) });
    expect(found.says).toMatch(/^[A-Z].*\.$/);
  });

  it.each<[string, string, object]>([
    ['550 No.', 'rcpt', { outcome: 'failed', fault: 'recipient', recognised: false, rule: null, status: '5.0.0' }],
    ['550 No.', 'dot', { outcome: 'failed', fault: 'message', recognised: false, rule: null }],
    ['550 No.', 'mail', { outcome: 'deferred', fault: 'operator', recognised: true, rule: null, pace: 'long' }],
    ['554 No.', 'connect', { outcome: 'deferred', fault: 'operator', recognised: true, rule: null, pace: 'long' }],
    ['550 5.1.1 User unknown', 'rcpt', { outcome: 'failed', fault: 'recipient', recognised: true, status: '5.1.1' }],
    ['451 4.3.0 later', 'rcpt', { outcome: 'deferred', fault: 'next-hop', recognised: true, pace: 'normal' }],
    ['250 2.0.0 Ok', 'dot', { outcome: 'relayed', fault: 'nobody', reason: 'accepted', status: '2.0.0', says: '' }],
    ['250 2.1.5 Ok', 'rcpt', { outcome: 'relayed', status: '2.1.5', rule: null }],
    ['354 go ahead', 'data', { outcome: 'relayed' }],
    ['354 go ahead', 'dot', { outcome: 'deferred', fault: 'next-hop', reason: 'unknown-reply', recognised: false }],
    ['535 5.7.8 wrong', 'auth', { outcome: 'deferred', fault: 'operator', status: '5.7.8' }],
  ])('%s at %s', async (reply, stage, expected) => {
    expect(await json(reply, '--stage', stage)).toMatchObject(expected);
  });

  it('reads a reply as people copy it', async () => {
    const one = await json('550 5.7.26 first second', '--stage', 'dot');
    for (const copied of [
      '550-5.7.26 first\n550 5.7.26 second',
      '550-5.7.26 first\\n550 5.7.26 second',
      '550-5.7.26 first 550 5.7.26 second',
      '550-5.7.26 first\r\n550-5.7.26 second',
      ' smtp; 550 5.7.26 first second ',
    ])
      expect(await json(copied, '--stage', 'dot')).toEqual(one);
    expect(await json('550', '5.7.26', 'first', 'second', '--stage', 'dot')).toEqual(one);
    expect(await json('550 5.1.1 CORP\\notes unknown')).toMatchObject({ reason: 'recipient-unknown' });
  });
});

it.each(['', 'hello', '55 no', '650 no', '550no', 'abc 550 no', '\u0000'])('%j is no reply', async (text) => {
  for (const args of [[text], [text, '--json']]) {
    const error = await classifyVerb.run(args).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Usage);
    expect((error as Usage).message).toMatch(/reply.*550 5\.1\.1.*\(everpost classify --help\)$/);
  }
  expect(out).toBe('');
});

it('refuses a stage that there is not, and names those that there are', async () => {
  await expect(classifyVerb.run(['550 no', '--stage', 'helo'])).rejects.toThrow(
    'there is no stage "helo"; write one of: connect, ehlo, starttls, auth, mail, rcpt, data, dot',
  );
});

describe('for people', () => {
  it('begins with the outcome and says whose fault it is, by what, and what the sender reads', async () => {
    const text = await said('550 5.7.60 SMTP; Client does not have permissions to send as this sender');
    expect(text).toMatch(/^deferred: /);
    for (const part of ['OperatorFault', 'send-as-refused', 'Whose fault: yours', 'Decided by: ', 'The sender reads'])
      expect(text).toContain(part);
    expect(await said('550 No.')).toMatch(/^failed: [\s\S]*unrecognised/);
    expect(await said('250 ok', '--stage', 'dot')).toBe('relayed: the server took the message.\n');
  });

  it('names the row that decided, with its source', async () => {
    const [row] = rowGroups.flatMap(({ rows }) => rows);
    if (row === undefined) throw new Error('there is no row');
    const text = await said(row.seen, '--stage', row.stage);
    expect(text).toContain(`the row ${row.id}`);
    expect(text).toContain(row.source);
  });
});
