// `npm run test:corpus -- DIR [--postfix]`: sends every .eml of a folder through the front door and judges what arrives, byte by byte,
// behind the next hop. Then each comes back to a return path (reports.ts). Each message is accounted for: arrived whole, returned with a sound notice that says why, or refused by the
// front door with its reason. Exit 1 on any deviation, 2 on wrong usage.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { deviations, onTheWire } from '../e2e/arrival.ts';
import { discard, type Instance, start, until } from '../e2e/instance.ts';
import { postfix } from '../e2e/postfix.ts';
import { type Caught, catcher, type Sent, sendMail } from '../e2e/smtp.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { compareReadings, type Returned, throughToken } from './reports.ts';

const AT_ONCE = 8;
const PATIENCE_MS = 60_000;
const CONTROL = 'X-Control: what follows is the message alone\r\n';

type Verdict = { readonly file: string; readonly fate: Fate; readonly detail: string };
/** `as-postfix`: changed, and just as Postfix changes it when it gets the message from anybody. */
type Fate = 'intact' | 'as-postfix' | 'returned' | 'refused' | 'deviates' | 'lost';

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { postfix: { type: 'boolean' } } });
  const [folder, more] = positionals;
  if (folder === undefined || more !== undefined) {
    process.stderr.write('npm run test:corpus -- DIR [--postfix]\n');
    return 2;
  }
  const files = readdirSync(folder).filter((name) => name.endsWith('.eml'));
  if (files.length === 0) throw new Error(`${folder} holds no .eml`);

  const server = await catcher();
  const login = { username: 'corpus', password: 'corpus' };
  const smart = values.postfix ? await postfix({ relayPort: server.port, login }) : null;
  const instance = await start({ config: configFor(smart?.ports.plain ?? server.port) });
  try {
    const above = smart === null ? [] : ['received'];
    const postfixPort = smart?.ports.plain ?? null;
    const verdicts = await inTurns(files, (file, index) =>
      judge(instance, server.caught, { file, content: readFileSync(join(folder, file)), index, above, postfixPort }),
    );
    report(verdicts);
    const unread = compareReadings(folder, files, say);
    const forwarded = (sender: string) =>
      until(
        () => server.caught.find(({ content }) => content.includes(`Message-ID: <${sender}>`)) ?? null,
        PATIENCE_MS,
      );
    const returned = await inTurns(files, (file, index) =>
      throughToken(instance, { file, content: readFileSync(join(folder, file)), index }, forwarded),
    );
    reportReturned(returned);
    const deviates = verdicts.some(({ fate }) => fate === 'deviates' || fate === 'lost');
    return deviates || unread > 0 || returned.some(({ sound }) => !sound) ? 1 : 0;
  } finally {
    await discard(instance);
    await smart?.discard();
    await server.close();
  }
}

function configFor(port: number): object {
  return {
    domains: ['example.com'],
    nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' } },
    routes: [
      { match: 'token@example.com', to: [{ via: 'exchange', address: 'target@far.example' }] },
      { match: '*@example.com', to: [{ via: 'exchange' }] },
    ],
    // What the messages are is not asked here: spam and viruses of a corpus are to arrive like the rest.
    policy: { spam: 'relay', virus: 'relay', dmarcReject: 'relay' },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
  };
}

type Case = {
  readonly file: string;
  readonly content: Buffer;
  readonly index: number;
  /** Fields that the servers behind Everpost put on top. */
  readonly above: readonly string[];
  readonly postfixPort: number | null;
};

async function judge(instance: Instance, caught: readonly Caught[], of: Case): Promise<Verdict> {
  const { file, content } = of;
  const [sender, recipient] = [`s${of.index}@src.example`, `r${of.index}@example.com`];
  const sent = await sendMail(instance.mx, sender, [recipient], content).catch(
    (error: Error): Sent => ({ code: 0, text: error.message }),
  );
  if (sent.code !== 250) return { file, fate: 'refused', detail: `${sent.code} ${sent.text}` };
  const came = () => caught.find(({ forwardPaths: [path] }) => path === recipient || path === sender) ?? null;
  const arrived = await until(came, PATIENCE_MS);
  if (arrived === null) return { file, fate: 'lost', detail: `neither it nor a notice came; accepted as ${sent.text}` };
  if (arrived.forwardPaths[0] === sender) return judgeReturned(file, arrived);
  const findings = deviations(content, arrived.content, of.above);
  if (arrived.reversePath !== sender) findings.push(`its reverse-path became <${arrived.reversePath}>`);
  if (findings.length === 0) return { file, fate: 'intact', detail: '' };
  const control = await throughPostfixAlone(caught, of);
  if (control !== null && deviations(control, arrived.content, of.above).length === 0)
    return { file, fate: 'as-postfix', detail: findings.join('; ') };
  return { file, fate: 'deviates', detail: findings.join('; ') };
}

/** What Postfix makes of the same bytes without Everpost before it, or null where there is none in the way. */
async function throughPostfixAlone(caught: readonly Caught[], of: Case): Promise<Buffer | null> {
  if (of.postfixPort === null) return null;
  const address = `control${of.index}@example.com`;
  const content = Buffer.concat([Buffer.from(CONTROL), onTheWire(of.content)]);
  await sendMail(of.postfixPort, 'control@src.example', [address], content);
  const came = await until(() => caught.find(({ forwardPaths: [path] }) => path === address) ?? null, PATIENCE_MS);
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
  const fates: readonly Fate[] = ['intact', 'as-postfix', 'returned', 'refused', 'deviates', 'lost'];
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
