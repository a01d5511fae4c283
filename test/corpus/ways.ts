// npm run test:corpus -- DIR --ways: every message of the folder by SMTP, LMTP, SES, to a next hop that refuses, and to
// a return path; and then the checker of the claim asks senders, next hops and ledger. A table of ends, by way.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import PostalMime from 'postal-mime';
import { check } from '../claim/checker.ts';
import type { Due, Evidence, Taken } from '../claim/evidence.ts';
import { evidenceAt, type Sent } from '../e2e/evidence.ts';
import { discard, type Instance, start, tool, until } from '../e2e/instance.ts';
import { type Catcher, type Caught, catcher, sendMail } from '../e2e/smtp.ts';

const PATIENCE_MS = 300_000;
/** How a message may end where nothing refuses it: a loop and what SES cannot carry come back. */
const ENDS: Due['ends'] = ['handed-on', 'returned'];

type Servers = { readonly smtp: Catcher; readonly lmtp: Catcher; readonly ses: Catcher };
type File = { readonly name: string; readonly content: Buffer; readonly index: number };

export async function byAllWays(
  folder: string,
  names: readonly string[],
  say: (line: string) => void,
): Promise<number> {
  const servers = { smtp: await catcher({ rcpt: refusing }), lmtp: await catcher(), ses: await catcher() };
  const instance = await start({ config: configFor(servers), args: ['--ses-out', `127.0.0.1:${servers.ses.port}`] });
  try {
    const files = names.map((name, index) => ({ name, index, content: readFileSync(join(folder, name)) }));
    const accepted: Sent[] = [];
    for (const file of files) {
      const sent = await send(instance, file);
      if (sent === null) say(`refused    ${file.name}`);
      else accepted.push(sent);
    }
    const tokens = await tokensFor(instance, servers.smtp, files.length, accepted);
    for (const file of files) accepted.push(...(await sendBack(instance, file, tokens[file.index] ?? null)));
    await settled(instance);
    return await judge(instance, servers, accepted, say);
  } finally {
    await discard(instance);
    await Promise.all(Object.values(servers).map((server) => server.close()));
  }
}

function refusing(forwardPath: string): string | undefined {
  return forwardPath.endsWith('@refused.example') ? '550 5.1.1 no such user' : undefined;
}

function configFor({ smtp, lmtp }: Servers): object {
  const at = (server: Catcher, kind: string) => ({ kind, host: '127.0.0.1', port: server.port, tls: 'off' });
  return {
    domains: ['example.com', 'lmtp.example', 'ses.example', 'refused.example'],
    nextHops: { exchange: at(smtp, 'smtp'), lmtp: at(lmtp, 'lmtp'), ses: { kind: 'ses' } },
    routes: [
      { match: 'token@example.com', to: [{ via: 'exchange', address: 'target@far.example' }] },
      { match: '*@lmtp.example', to: [{ via: 'lmtp' }] },
      { match: '*@ses.example', to: [{ via: 'ses' }] },
      { match: ['*@example.com', '*@refused.example'], to: [{ via: 'exchange' }] },
    ],
    policy: { spam: 'relay', virus: 'relay', dmarcReject: 'relay', unscanned: 'relay' },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
  };
}

/** One message to one recipient of each way. */
async function send(instance: Instance, { content, index }: File): Promise<Sent | null> {
  const reversePath = `s${index}@src.example`;
  const due = (domain: string, nextHop: string, ends = ENDS): Due => {
    const forwardPath = `r${index}@${domain}`;
    return { forwardPath, action: 0, copy: false, ways: [{ nextHop, address: forwardPath }], ends };
  };
  const deliveries = [
    due('example.com', 'exchange'),
    due('lmtp.example', 'lmtp'),
    due('ses.example', 'ses'),
    due('refused.example', 'exchange', ['returned']),
  ];
  const to = deliveries.map(({ forwardPath }) => forwardPath);
  const { code } = await sendMail(instance.mx, reversePath, to, content);
  return code === 250 ? { reversePath, content, deliveries } : null;
}

/** Mail that leaves under a token of its own, for each file. */
async function tokensFor(
  instance: Instance,
  server: Catcher,
  count: number,
  accepted: Sent[],
): Promise<readonly (string | null)[]> {
  const ways = [{ nextHop: 'exchange', address: 'target@far.example' }];
  for (let index = 0; index < count; index++) {
    const reversePath = `t${index}@src.example`;
    const content = Buffer.from(
      `From: <${reversePath}>\r\nSubject: x\r\nMessage-ID: <${reversePath}>\r\n\r\nHello\r\n`,
    );
    await sendMail(instance.mx, reversePath, ['token@example.com'], content);
    const due: Due = { forwardPath: 'token@example.com', action: 0, copy: false, ways, ends: ENDS, mayFailLater: true };
    accepted.push({ reversePath, content, deliveries: [due] });
  }
  const leftFor = (index: number) => server.caught.find(({ content }) => content.includes(`<t${index}@src.example>`));
  await until(
    () => (Array.from({ length: count }, (_, index) => leftFor(index)).every(Boolean) ? true : null),
    PATIENCE_MS,
  );
  return Array.from({ length: count }, (_, index) => leftFor(index)?.reversePath ?? null);
}

/** The file as what comes back to the token, from the null reverse-path. */
async function sendBack(instance: Instance, { content }: File, token: string | null): Promise<Sent[]> {
  if (token === null) return [];
  const { code } = await sendMail(instance.mx, '', [token], content);
  const ways = [{ nextHop: 'exchange', address: 'postmaster@example.com' }];
  const ends: Due['ends'] = ['handed-on', 'discarded: *', 'unreturnable: null-reverse-path'];
  return code === 250
    ? [
        {
          forwardPath: token,
          reversePath: '',
          content,
          deliveries: [{ forwardPath: token, action: 0, copy: false, ways, ends }],
        },
      ]
    : [];
}

/** Nothing is under way any more, whatever was put off included. */
async function settled(instance: Instance): Promise<void> {
  for (let hours = 0; hours < 60; hours += 6) await tool(instance, 'POST', '/clock', { advance: '6h' });
}

async function judge(
  instance: Instance,
  servers: Servers,
  accepted: readonly Sent[],
  say: (line: string) => void,
): Promise<number> {
  const taken = [
    ...takenBy('exchange', servers.smtp),
    ...takenBy('lmtp', servers.lmtp),
    ...takenBy('ses', servers.ses),
  ];
  const evidence = await evidenceAt(instance, accepted, taken);
  const alike = await sameParts(evidence);
  for (const [way, mine] of waysOf(evidence)) {
    const { ends } = check({ ...evidence, accepted: mine, alike });
    say(`${way.padEnd(16)} ${[...ends].map(([end, count]) => `${end} ${count}`).join(', ')}`);
  }
  const { findings } = check({ ...evidence, alike });
  for (const { kind, spoolId, says } of findings) say(`${kind}  ${spoolId}  ${says}`);
  say(`messages ${accepted.length}, findings ${findings.length}`);
  return findings.length;
}

/** The same messages with the deliveries of one way alone. */
function waysOf({ accepted }: Evidence): [string, Evidence['accepted']][] {
  const ways = ['example.com', 'lmtp.example', 'ses.example', 'refused.example'];
  const only = (fits: (due: Due) => boolean) =>
    accepted.flatMap((message) => {
      const deliveries = message.deliveries.filter(fits);
      return deliveries.length === 0 ? [] : [{ ...message, deliveries }];
    });
  return [
    ...ways.map((domain): [string, Evidence['accepted']] => [
      domain,
      only(({ forwardPath }) => new RegExp(`^r\\d+@${domain}$`).test(forwardPath)),
    ]),
    ['to a return path', accepted.filter(({ reversePath }) => reversePath === '')],
  ];
}

function takenBy(nextHop: string, { caught }: { readonly caught: readonly Caught[] }): Taken[] {
  return caught.map(({ reversePath, forwardPaths, content }) => ({
    nextHop,
    reversePath,
    address: forwardPaths[0] ?? '',
    content,
    answer: 'accepted',
  }));
}

/**
 * SES gets other header fields and may get a body encoded anew; a MIME reader that is not ours must see the same parts.
 */
async function sameParts({ accepted, taken }: Evidence): Promise<Evidence['alike']> {
  const readings = new Map<Uint8Array, string>();
  const bySes = taken.filter(({ nextHop }) => nextHop === 'ses');
  for (const content of [...accepted.map((message) => message.content), ...bySes.map((each) => each.content)])
    readings.set(content, await partsOf(content));
  return (each, message) => each.nextHop === 'ses' && readings.get(each.content) === readings.get(message.content);
}

async function partsOf(content: Uint8Array): Promise<string> {
  const { text, html, attachments, subject } = await PostalMime.parse(content);
  const files = attachments.map((part) => [
    part.filename,
    part.mimeType,
    Buffer.from(part.content as ArrayBuffer).toString('base64'),
  ]);
  // By SMTP a bare CR or LF leaves as CRLF, a last line gets its end, and white space at a fold is no part of a field's
  // value.
  const lines = (given: string | undefined) => given?.replace(/\r\n|\r|\n/g, '\n').trimEnd();
  return JSON.stringify([subject?.replace(/\s+/g, ' '), lines(text), lines(html), files]);
}
