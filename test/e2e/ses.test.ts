// SES as a next hop and as the carrier of notices, end to end: SMTP in, the synthesised template between, and what the
// emulated SES sends caught by SMTP. Notices have no next hop of their own here, so that every way of theirs is SES's.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeNotice } from '../judges/rfc3464.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

let exchange: Catcher;
let sesOut: Catcher;
let instance: Instance;

beforeAll(async () => {
  exchange = await catcher({
    rcpt: (forwardPath) => (forwardPath.startsWith('later') ? '451 4.3.0 come back later' : '550 5.1.1 no such user'),
  });
  sesOut = await catcher();
  instance = await start({
    config: {
      domains: ['example.com'],
      nextHops: {
        ses: { kind: 'ses' },
        exchange: { kind: 'smtp', host: '127.0.0.1', port: exchange.port, tls: 'off' },
      },
      routes: [
        { match: 'away@example.com', to: [{ via: 'ses', address: 'bob@far.example' }] },
        { match: 'postmaster@example.com', to: [{ via: 'ses', address: 'admin@far.example' }] },
        { match: '*@example.com', to: [{ via: 'exchange' }] },
      ],
      retry: { lifetime: '48h', delayNotice: false },
      notices: {
        from: 'postmaster@example.com',
        postmaster: 'postmaster@example.com',
        perDomainPerHour: 2,
        copyPostmasterOn: ['5.1.*'],
      },
    },
    args: ['--ses-out', `127.0.0.1:${sesOut.port}`],
  });
});
afterAll(async () => {
  await discard(instance);
  await exchange?.close();
  await sesOut?.close();
});

function sentTo(address: string): Caught[] {
  return sesOut.caught.filter((each) => each.forwardPaths.includes(address));
}
function textOf(caught: Caught | undefined | null): string {
  return caught?.content.toString('latin1') ?? '';
}
function mail(from: string, more = '', body = 'Hello\r\n\xff\x00 bytes\r\n'): Buffer {
  return Buffer.from(
    `X-SES-CONFIGURATION-SET: theirs\r\nAuthentication-Results: amazonses.com; dmarc=pass header.from=forged.example\r\nDKIM-Signature: v=1; a=1\r\nDKIM-Signature: v=1; a=2\r\nFrom: ${from}\r\nSender: x@src.example\r\n` +
      `To: away@example.com\r\nBcc: secret@src.example\r\nSubject: Hi\r\nMessage-ID: <one@src.example>\r\n${more}\r\n${body}`,
    'latin1',
  );
}
const VERP = /^0102[0-9a-f-]+@eu-west-1\.amazonses\.com$/;

describe('a next hop that is SES', () => {
  it('sends an author of another domain so that people can read him, and the body as it was', async () => {
    await sendMail(instance.mx, 'ann@src.example', ['away@example.com'], mail('Ann <ann@src.example>'));
    const caught = await until(() => sentTo('bob@far.example')[0] ?? null, 30_000);
    expect(caught, instance.output.slice(-3000)).not.toBeNull();
    const text = textOf(caught);
    expect(caught?.reversePath).toMatch(VERP);
    expect(text).toMatch(/^From: "Ann \(ann@src\.example\) via example\.com" <postmaster@example\.com>\r$/m);
    expect(text).toMatch(/^Reply-To: "Ann" <ann@src\.example>\r$/m);
    expect(text).toMatch(/^X-Original-From: Ann <ann@src\.example>\r$/m);
    expect(text).toMatch(/^X-Original-Message-ID: <one@src\.example>\r$/m);
    expect(text).not.toMatch(/secret@src|^Sender:|theirs|forged\.example|a=1/m);
    expect(text).toMatch(/^Authentication-Results: amazonses\.com;\r\n spf=pass/m);
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe('Hello\r\n\xff\x00 bytes\r\n');
    const [message] = await traced(
      instance,
      ['--forward-path', 'away@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'relayed',
    );
    expect(message?.deliveries[0]?.lastReply).toMatchObject({ code: 250, text: expect.stringMatching(/^Ok 0102/) });
  });

  it('keeps an author of ours, but not one that DMARC speaks against', async () => {
    await tool(instance, 'POST', '/verdicts', {
      reversePath: 'forger@src.example',
      dmarc: 'FAIL',
      dmarcPolicy: 'none',
    });
    await sendMail(instance.mx, 'boss@example.com', ['away@example.com'], mail('Boss <boss@example.com>'));
    await sendMail(instance.mx, 'forger@src.example', ['away@example.com'], mail('Boss <boss@example.com>'));
    await until(() => (sentTo('bob@far.example').length >= 3 ? true : null), 30_000);
    const froms = sentTo('bob@far.example').map((each) => /^From: (.*)\r$/m.exec(textOf(each))?.[1]);
    expect(froms).toContain('Boss <boss@example.com>');
    expect(froms).toContain('"Boss (boss@example.com) via example.com" <postmaster@example.com>');
  });

  it('waits where SES refuses us, with an alarm, and is sent once that is mended', async () => {
    await tool(instance, 'POST', '/faults', { service: 'ses', operation: 'SendEmail', effect: 'deny' });
    await sendMail(instance.mx, 'dan@src.example', ['away@example.com'], mail('Dan <dan@src.example>'));
    const args = ['--reverse-path', 'dan@src.example'];
    const [message] = await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === 'deferred');
    expect(message?.events.at(-1)).toMatchObject({ event: 'DEFER', reason: 'ses-access-denied', status: '4.7.0' });
    await tool(instance, 'DELETE', '/faults');
    await tool(instance, 'POST', '/clock', { advance: '2h' });
    await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === 'relayed');
  });

  it('marks what may have been sent twice', async () => {
    await tool(instance, 'POST', '/faults', {
      service: 'ses',
      operation: 'SendEmail',
      effect: 'lose-response',
      times: 1,
    });
    await sendMail(instance.mx, 'twice@src.example', ['away@example.com'], mail('Tw <twice@src.example>'));
    const args = ['--reverse-path', 'twice@src.example'];
    await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === 'deferred');
    await tool(instance, 'POST', '/clock', { advance: '2m' });
    const [message] = await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === 'relayed');
    expect(message?.deliveries[0]?.possibleDuplicate).toBe(true);
  });
});

describe('a notice without a next hop of its own', () => {
  it('is SendBounce while the receipt is young, with the null reverse-path; the postmaster has his copy', async () => {
    await sendMail(instance.mx, 'eve@src.example', ['nobody@example.com'], mail('Eve <eve@src.example>'));
    const [message] = await traced(
      instance,
      ['--reverse-path', 'eve@src.example'],
      (found) => found[0]?.deliveries[0]?.state === 'returned',
    );
    expect(message?.deliveries[0]?.notice).toMatchObject({ kind: 'ndr', state: 'relayed', via: 'ses-bounce' });
    const caught = await until(() => sentTo('eve@src.example')[0] ?? null, 20_000);
    expect(caught?.reversePath).toBe('');
    expect(judgeNotice(caught?.content ?? Buffer.alloc(0))).toEqual([]);
    expect(textOf(caught)).toMatch(
      /^Final-Recipient: rfc822; nobody@example\.com\r\nAction: failed\r\nStatus: 5\.1\.1\r$/m,
    );
    const copy = await until(
      () => sentTo('admin@far.example').find((each) => textOf(each).includes('eve@src.example')) ?? null,
      30_000,
    );
    expect(textOf(copy)).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    // A sender's notice answers him; a copy answers nobody. In all else it is a sound report.
    const findings = judgeNotice(copy?.content ?? Buffer.alloc(0));
    expect(findings.filter((each) => !each.startsWith('not Auto-Submitted: auto-replied'))).toEqual([]);
  });

  it('is a report by SES once a day has passed, unless it would answer an automatic answer', async () => {
    const answer = 'Auto-Submitted: auto-replied\r\n';
    await sendMail(instance.mx, 'fay@src.example', ['later1@example.com'], mail('Fay <fay@src.example>'));
    await sendMail(instance.mx, 'gus@src.example', ['later2@example.com'], mail('Gus <gus@src.example>', answer));
    for (const name of ['fay', 'gus'])
      await traced(
        instance,
        ['--reverse-path', `${name}@src.example`],
        (found) => found[0]?.deliveries[0]?.state === 'deferred',
      );
    await tool(instance, 'POST', '/clock', { advance: '49h' });
    const [message] = await traced(
      instance,
      ['--reverse-path', 'fay@src.example'],
      (found) => found[0]?.deliveries[0]?.state === 'returned',
    );
    expect(message?.deliveries[0]?.notice).toMatchObject({ via: 'ses-report', state: 'relayed' });
    const caught = await until(() => sentTo('fay@src.example')[0] ?? null, 20_000);
    expect(caught?.reversePath).toMatch(VERP);
    expect(textOf(caught)).toMatch(/^X-Everpost-Notice: v1\./m);
    expect(textOf(caught)).toMatch(/^Action: failed\r\nStatus: 4\.3\.0\r$/m);
    expect(judgeNotice(caught?.content ?? Buffer.alloc(0))).toEqual([]);
    const [answered] = await traced(
      instance,
      ['--reverse-path', 'gus@src.example'],
      (found) => found[0]?.deliveries[0]?.state === 'unreturnable',
    );
    expect(answered?.deliveries[0]?.notice?.reason).toBe('auto-replied');
    expect(sentTo('gus@src.example')).toEqual([]);
  });

  it('is not sent to a domain that nothing vouches for, once its hour is used up', async () => {
    await tool(instance, 'POST', '/verdicts', { spf: 'GRAY', dmarc: 'GRAY' });
    for (const name of ['h1', 'h2', 'h3'])
      await sendMail(instance.mx, `${name}@flood.example`, [`${name}@example.com`], mail('H <h@flood.example>'));
    const states: unknown[] = [];
    for (const name of ['h1', 'h2', 'h3']) {
      const [message] = await traced(instance, ['--reverse-path', `${name}@flood.example`], (found) =>
        ['returned', 'unreturnable'].includes(found[0]?.deliveries[0]?.state ?? ''),
      );
      states.push(message?.deliveries[0]?.notice?.reason ?? 'sent');
    }
    expect(states.sort()).toEqual(['domain-limit', 'sent', 'sent']);
  });
});

it('has met no missing permission', async () => {
  const { denied } = await tool<{ denied: unknown[] }>(instance, 'GET', '/permissions');
  expect(denied).toEqual([]);
});

describe('notices that the configuration holds', () => {
  it('are sent on release', async () => {
    const quiet = await start({
      config: {
        domains: ['example.com'],
        nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port: exchange.port, tls: 'off' } },
        routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
        notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', mode: 'hold' },
      },
      args: ['--ses-out', `127.0.0.1:${sesOut.port}`],
    });
    try {
      await sendMail(quiet.mx, 'ida@src.example', ['nobody@example.com'], mail('Ida <ida@src.example>'));
      const args = ['--reverse-path', 'ida@src.example'];
      const [message] = await traced(quiet, args, (found) => found[0]?.deliveries[0]?.state === 'held');
      expect(message?.deliveries[0]?.notice?.reason).toBe('notices-held');
      expect(sentTo('ida@src.example')).toEqual([]);
      await promisify(execFile)(process.execPath, [
        'src/cli/everpost.ts',
        'release',
        '--data',
        quiet.data,
        '--spool-id',
        message?.spoolId ?? '',
      ]);
      await traced(quiet, args, (found) => found[0]?.deliveries[0]?.state === 'returned');
      expect(await until(() => sentTo('ida@src.example')[0] ?? null, 20_000)).not.toBeNull();
    } finally {
      await discard(quiet);
    }
  });
});
