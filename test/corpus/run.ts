// `npm run test:corpus -- DIR [--postfix | --dovecot | --ses | --ways | --signed] [--keep DIR]`: sends every .eml of a
// folder through the front door and judges what arrives, byte by byte, behind the next hop: a catcher, a real Postfix
// before it, a real Dovecot by LMTP, or the emulated SES, whose messages a mail reader that is not ours judges
// (by-ses.ts). Each message is accounted for: arrived whole, returned with a sound notice that says why, or refused by
// the front door with its reason. Then, except with Dovecot, each comes back to a return path (reports.ts). Without an
// option, or by `--signed` alone, each is then sent with signatures, and these are verified (signed.ts). `--keep`
// writes what arrived, and what was sent as it goes over the wire, for other judges. Exit 1 on any deviation, 2 on
// wrong usage.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { deviations, onTheWire } from '../e2e/arrival.ts';
import { dovecot } from '../e2e/dovecot.ts';
import { discard, type Instance, start, until } from '../e2e/instance.ts';
import { postfix } from '../e2e/postfix.ts';
import { type Caught, catcher, type Sent, sendMail } from '../e2e/smtp.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { judgeSes } from './by-ses.ts';
import { compareReadings, compareVariants, type Returned, throughToken } from './reports.ts';
import { signedByAllWays } from './signed.ts';
import { byAllWays } from './ways.ts';

const AT_ONCE = 8;
const PATIENCE_MS = 60_000;
const CONTROL = 'X-Control: what follows is the message alone\r\n';

type Verdict = { readonly file: string; readonly fate: Fate; readonly detail: string };
/**
 * `as-postfix`: changed, and just as Postfix changes it when it gets the message from anybody. `reencoded`: by SES, in
 * another encoding, and readers show the same.
 */
type Fate = 'intact' | 'as-postfix' | 'reencoded' | 'returned' | 'refused' | 'deviates' | 'lost';

process.exitCode = await main();

/** Where mail comes out, and what of its way is to be known. */
type Behind = {
  readonly nextHop: object;
  /** Fields that the servers behind Everpost put on top. */
  readonly above: readonly string[];
  readonly postfixPort: number | null;
  /** Where the emulated SES hands on what it sends. */
  readonly sesPort: number | null;
  came(address: string): Caught | null;
  /** All that came, where a catcher stands at the end. */
  readonly caught: readonly Caught[] | null;
  close(): Promise<void>;
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      postfix: { type: 'boolean' },
      dovecot: { type: 'boolean' },
      ways: { type: 'boolean' },
      signed: { type: 'boolean' },
      ses: { type: 'boolean' },
      keep: { type: 'string' },
    },
  });
  const [folder, more] = positionals;
  const chosen = [values.postfix, values.dovecot, values.ses, values.ways, values.signed].filter((way) => way === true);
  if (folder === undefined || more !== undefined || chosen.length > 1) {
    process.stderr.write(
      'npm run test:corpus -- DIR [--postfix | --dovecot | --ses | --ways | --signed] [--keep DIR]\n',
    );
    return 2;
  }
  const files = readdirSync(folder).filter((name) => name.endsWith('.eml'));
  if (files.length === 0) throw new Error(`${folder} holds no .eml`);
  if (values.signed) return (await signedByAllWays(folder, files, say)) === 0 ? 0 : 1;
  if (values.ways) return (await byAllWays(folder, files, say)) === 0 ? 0 : 1;
  const { keep } = values;
  if (keep !== undefined) for (const each of ['sent', 'arrived']) mkdirSync(join(keep, each), { recursive: true });

  const behind = values.dovecot ? await behindLmtp(files.length) : await behindSmtp(values.postfix === true);
  const bySes = values.ses === true;
  const args = bySes ? { args: ['--ses-out', `127.0.0.1:${behind.sesPort}`] } : {};
  const instance = await start({ config: configFor(behind.nextHop, bySes), ...args });
  try {
    const verdicts = await inTurns(files, (file, index) =>
      judge(instance, behind, { file, content: readFileSync(join(folder, file)), index, keep: keep ?? null, bySes }),
    );
    report(verdicts);
    const unread = compareReadings(folder, files, say) + compareVariants(folder, files, say);
    const deviates = verdicts.some(({ fate }) => fate === 'deviates' || fate === 'lost');
    const { caught } = behind;
    if (caught === null) return deviates || unread > 0 ? 1 : 0;
    const forwarded = (sender: string) =>
      until(() => caught.find(({ content }) => content.includes(`Message-ID: <${sender}>`)) ?? null, PATIENCE_MS);
    const returned = await inTurns(files, (file, index) =>
      throughToken(instance, { file, content: readFileSync(join(folder, file)), index }, forwarded),
    );
    reportReturned(returned);
    const broken = chosen.length === 0 ? await signedByAllWays(folder, files, say) : 0;
    return deviates || unread + broken > 0 || returned.some(({ sound }) => !sound) ? 1 : 0;
  } finally {
    await discard(instance);
    await behind.close();
  }
}

async function behindSmtp(withPostfix: boolean): Promise<Behind> {
  const server = await catcher();
  const smart = withPostfix
    ? await postfix({ relayPort: server.port, login: { username: 'corpus', password: 'corpus' } })
    : null;
  return {
    nextHop: { kind: 'smtp', host: '127.0.0.1', port: smart?.ports.plain ?? server.port, tls: 'off' },
    above: smart === null ? [] : ['received'],
    postfixPort: smart?.ports.plain ?? null,
    sesPort: server.port,
    caught: server.caught,
    came: (address) => server.caught.find(({ forwardPaths: [path] }) => path === address) ?? null,
    async close() {
      await smart?.discard();
      await server.close();
    },
  };
}

async function behindLmtp(count: number): Promise<Behind> {
  const users = Array.from({ length: count }, (_, index) => [senderOf(index), recipientOf(index)]).flat();
  const server = await dovecot(users);
  return {
    nextHop: { kind: 'lmtp', host: '127.0.0.1', port: server.port, tls: 'off' },
    above: ['return-path', 'delivered-to', 'received'],
    postfixPort: null,
    sesPort: null,
    caught: null,
    came(address) {
      const [content] = server.mailbox(address);
      if (content === undefined) return null;
      const reversePath = /^Return-Path: <(.*)>\r?$/m.exec(content.toString('latin1'))?.[1];
      return { reversePath: reversePath ?? '(none)', forwardPaths: [address], content };
    },
    close: () => server.discard(),
  };
}

function senderOf(index: number): string {
  return `s${index}@src.example`;
}
function recipientOf(index: number): string {
  return `r${index}@example.com`;
}

function configFor(nextHop: object, bySes: boolean): object {
  return {
    domains: ['example.com'],
    nextHops: { exchange: nextHop, ...(bySes ? { ses: { kind: 'ses' } } : {}) },
    routes: [
      { match: 'token@example.com', to: [{ via: 'exchange', address: 'target@far.example' }] },
      { match: '*@example.com', to: [{ via: bySes ? 'ses' : 'exchange' }] },
    ],
    // What the messages are is not asked here: spam and viruses of a corpus are to arrive like the rest.
    policy: { spam: 'relay', virus: 'relay', dmarcReject: 'relay', unscanned: 'relay' },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
  };
}

type Case = {
  readonly file: string;
  readonly content: Buffer;
  readonly index: number;
  readonly keep: string | null;
  readonly bySes: boolean;
};

async function judge(instance: Instance, behind: Behind, of: Case): Promise<Verdict> {
  const { file, content } = of;
  const [sender, recipient] = [senderOf(of.index), recipientOf(of.index)];
  const sent = await sendMail(instance.mx, sender, [recipient], content).catch(
    (error: Error): Sent => ({ code: 0, text: error.message }),
  );
  if (sent.code !== 250) return { file, fate: 'refused', detail: `${sent.code} ${sent.text}` };
  const arrived = await until(() => behind.came(recipient) ?? behind.came(sender), PATIENCE_MS);
  if (arrived === null) return { file, fate: 'lost', detail: `neither it nor a notice came; accepted as ${sent.text}` };
  if (arrived.forwardPaths[0] === sender) return judgeReturned(file, arrived);
  if (of.keep !== null) {
    writeFileSync(join(of.keep, 'sent', file), onTheWire(content));
    writeFileSync(join(of.keep, 'arrived', file), arrived.content);
  }
  if (of.bySes) {
    const { reencoded, findings } = await judgeSes(content, arrived.content);
    const fate = findings.length > 0 ? 'deviates' : reencoded ? 'reencoded' : 'intact';
    return { file, fate, detail: findings.join('; ') };
  }
  const findings = deviations(content, arrived.content, behind.above);
  if (arrived.reversePath !== sender) findings.push(`its reverse-path became <${arrived.reversePath}>`);
  if (findings.length === 0) return { file, fate: 'intact', detail: '' };
  const control = await throughPostfixAlone(behind, of);
  if (control !== null && deviations(control, arrived.content, behind.above).length === 0)
    return { file, fate: 'as-postfix', detail: findings.join('; ') };
  return { file, fate: 'deviates', detail: findings.join('; ') };
}

/** What Postfix makes of the same bytes without Everpost before it, or null where there is none in the way. */
async function throughPostfixAlone(behind: Behind, of: Case): Promise<Buffer | null> {
  if (behind.postfixPort === null) return null;
  const address = `control${of.index}@example.com`;
  const content = Buffer.concat([Buffer.from(CONTROL), onTheWire(of.content)]);
  await sendMail(behind.postfixPort, 'control@src.example', [address], content);
  const came = await until(() => behind.came(address), PATIENCE_MS);
  return came === null ? null : came.content.subarray(came.content.indexOf(CONTROL) + CONTROL.length);
}

function judgeReturned(file: string, { reversePath, content }: Caught): Verdict {
  const findings = judgeNotice(content);
  if (reversePath !== '') findings.push(`a notice with the reverse-path <${reversePath}>`);
  if (findings.length > 0) return { file, fate: 'deviates', detail: `the notice: ${findings.join('; ')}` };
  const report =
    content
      .toString('latin1')
      .split('message/delivery-status')[1]
      ?.replace(/\r\n[ \t]+/g, ' ') ?? '';
  const field = (name: string) => new RegExp(`^${name}: (.*)`, 'm').exec(report)?.[1]?.trim() ?? '';
  const [status, why] = [field('Status'), field('Diagnostic-Code')];
  return { file, fate: 'returned', detail: `${status} ${why}` };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function reportReturned(returned: readonly Returned[]): void {
  say('\nThrough a return path:');
  const ends = Map.groupBy(returned, ({ ended }) => ended);
  for (const [ended, those] of ends) say(`${String(those.length).padStart(5)}  ${ended}`);
  for (const { file, ended } of returned.filter(({ sound }) => !sound)) say(`unsound    ${file}  ${ended}`);
}

function report(verdicts: readonly Verdict[]): void {
  for (const { file, fate, detail } of verdicts) if (fate !== 'intact') say(`${fate.padEnd(10)} ${file}  ${detail}`);
  say('');
  const fates: readonly Fate[] = ['intact', 'as-postfix', 'reencoded', 'returned', 'refused', 'deviates', 'lost'];
  for (const fate of fates)
    say(`${fate.padEnd(10)} ${String(verdicts.filter((it) => it.fate === fate).length).padStart(5)}`);
  say(`${'all'.padEnd(10)} ${String(verdicts.length).padStart(5)}`);
}

async function inTurns<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const hand = async () => {
    for (const [index, item] of queue) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, hand));
  return results;
}
