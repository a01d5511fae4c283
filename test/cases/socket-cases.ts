// The kinds of cases that are spoken over sockets: a next hop's server, the submission port, the emulated SES, and what
// a sender is shown. Each function gives what the case does not pass by.

import { recipientsInHeader } from '#core/submission/sendmail-message.ts';
import { type CasePipeline, type HopTerms, withGateway, withServer } from './case-pipeline.ts';
import { SERVER_MEMBERS, type ServerSpec } from './case-server.ts';
import { type Case, differences, expected, type Faults, fileOf, objectOf, only, textOf, textsOf } from './read-case.ts';

const MESSAGE = 'From: Zoe <zoe@src.test>\r\nTo: case@in.test\r\nSubject: case\r\n\r\nHello\r\n.dot\r\n';
const SUBMITTED =
  'From: Zoe <zoe@in.test>\r\nTo: ann@x.test\r\nBcc: hidden@x.test\r\nSubject: case\r\nMessage-ID: <1@in.test>\r\n\r\nHello\r\n';

/** One message to a server that behaves as the case says; it must end in the state named. */
export async function server(it: Case): Promise<Faults> {
  only(it.given, ['server', 'auth', 'tls', 'lmtp', 'submit', 'opts', 'message', 'from', 'to', 'expect'], it.name);
  const members = ['state', 'reason', 'status', 'took', 'attempts', 'possibleDuplicate', 'operator', 'notices'];
  const expect = expected(it, members);
  return withServer(serverSpec(it), hopTerms(it), null, async (pipeline, { took }) => {
    const from = await put(it, pipeline);
    await pipeline.live();
    const [row] = pipeline.deliveries();
    const found = {
      state: row?.state,
      reason: row?.stateReason,
      status: row?.lastStatus,
      took: took.length,
      attempts: row?.attempts,
      possibleDuplicate: row?.possibleDuplicate,
      operator: pipeline.pipeline.watch.total('OperatorFault') > 0,
      notices: pipeline.noticesTo(from).length,
    };
    const faults = differences(expect, found);
    const last = `${row?.lastReply?.code ?? ''} ${row?.lastReply?.text ?? row?.trace.at(-1)?.reason ?? ''}`.trim();
    return [
      ...faults.map((fault) => `${fault} (${row?.stateReason ?? 'no reason'}: ${last})`),
      ...lost(it, found.state, took),
    ];
  });
}

/** `relayed` is believed only where the server has the message. */
function lost(it: Case, state: string | undefined, took: readonly { readonly content: Buffer }[]): Faults {
  if (state !== 'relayed') return [];
  const body = bodyOf(messageOf(it));
  return took.some(({ content }) => bodyOf(content) === body) ? [] : ['relayed, and the server has no such message'];
}

function bodyOf(content: Uint8Array): string {
  const text = Buffer.from(content).toString('latin1').replace(/\r?\n/g, '\r\n');
  return text.slice(text.indexOf('\r\n\r\n') + 4).replace(/(\r\n)*$/, '');
}

/** Puts the case's message in; the reverse-path it has. */
async function put(it: Case, pipeline: CasePipeline): Promise<string> {
  const content = messageOf(it);
  const submitted = it.given.submit === true;
  const from =
    it.given.from === undefined ? (submitted ? 'zoe@in.test' : 'zoe@src.test') : textOf(it.given.from, 'from');
  const named = submitted ? recipientsInHeader(content, 'in.test').mailboxes.map(({ address }) => address) : [];
  const to = it.given.to === undefined ? (named.length > 0 ? named : ['case@in.test']) : listOf(it.given.to, 'to');
  const opts = it.given.opts === undefined ? '' : textOf(it.given.opts, 'opts');
  if (submitted) await pipeline.submit(content, from, to, opts);
  else pipeline.receive(content, from, to);
  return from;
}

function messageOf(it: Case): Uint8Array {
  if (it.given.message !== undefined) return fileOf(it, 'message');
  return Buffer.from(it.given.submit === true ? SUBMITTED : MESSAGE);
}

function listOf(value: unknown, where: string): readonly string[] {
  return typeof value === 'string' ? [value] : textsOf(value, where);
}

function serverSpec({ given }: Case): ServerSpec {
  const spec = objectOf(given.server ?? {}, 'server');
  only(spec, SERVER_MEMBERS, 'server');
  return spec as ServerSpec;
}

function hopTerms({ given }: Case): HopTerms {
  const tls = given.tls === undefined ? 'off' : textOf(given.tls, 'tls');
  if (tls !== 'off' && tls !== 'opportunistic' && tls !== 'required' && tls !== 'implicit')
    throw new Error(`tls: ${tls} is no way of using TLS`);
  return { tls, lmtp: given.lmtp === true, auth: given.auth === true };
}

/** Commands at the submission port, after EHLO and a login unless they begin with an EHLO of their own. */
export async function gateway(it: Case): Promise<Faults> {
  only(it.given, ['lines', 'login', 'expect'], it.name);
  const expect = expected(it, ['last', 'replies', 'reversePath', 'to']);
  const lines = textsOf(it.given.lines, 'lines');
  const greeted = it.given.login !== false && !/^(EHLO|HELO)\b/i.test(lines[0] ?? '');
  return withGateway(async (client, store) => {
    const replies: string[] = greeted ? [] : [await client.reply()];
    if (!greeted) replies.pop();
    for (let at = 0; at < lines.length; at += 1) {
      const reply = await client.ask(lines[at] ?? '');
      replies.push(reply.trim());
      if (!reply.startsWith('354')) continue;
      for (at += 1; at < lines.length && lines[at] !== '.'; at += 1) client.write(`${lines[at]}\r\n`);
      replies.push((await client.ask('.')).trim());
    }
    return gatewayFaults(expect, replies, store);
  }, greeted);
}

function gatewayFaults(
  expect: Readonly<Record<string, unknown>>,
  replies: readonly string[],
  store: ReadonlyMap<string, Buffer>,
): Faults {
  const faults: string[] = [];
  const begins = (reply: string | undefined, wanted: string) => {
    if (!reply?.startsWith(wanted)) faults.push(`the reply is ${JSON.stringify(reply)}, and ${wanted} was expected`);
  };
  if (expect.last !== undefined) begins(replies.at(-1), textOf(expect.last, 'expect.last'));
  if (expect.replies !== undefined)
    for (const [index, wanted] of textsOf(expect.replies, 'expect.replies').entries()) begins(replies[index], wanted);
  if (expect.reversePath === undefined && expect.to === undefined) return faults;
  const envelope = [...store].find(([key]) => key.endsWith('.envelope.json'))?.[1];
  const read = objectOf(JSON.parse(envelope?.toString() ?? '{}'), 'the envelope');
  const paths = Array.isArray(read.forwardPaths) ? read.forwardPaths : [];
  const found = { reversePath: read.reversePath, to: paths.map((path: { address?: unknown }) => path.address) };
  const { last: _, replies: __, ...envelopeExpected } = expect;
  return [...faults, ...differences(envelopeExpected, found)];
}

/** Whether the next hop sees Bcc of a message that was submitted. */
export async function gatewayBcc(it: Case): Promise<Faults> {
  only(it.given, ['message', 'server', 'from', 'to', 'expect'], it.name);
  const { bcc } = expected(it, ['bcc']);
  return withServer(serverSpec(it), hopTerms(it), null, async (pipeline, { took }) => {
    await put({ ...it, given: { ...it.given, submit: true } }, pipeline);
    await pipeline.live();
    if (took.length === 0) return ['the server has no message'];
    return took.flatMap(({ content }) => {
      const header = content.toString('latin1').split('\r\n\r\n')[0] ?? '';
      const shown = /^(Resent-)?Bcc[ \t]*:/im.test(header);
      return shown === bcc ? [] : [`Bcc is ${shown ? 'in' : 'missing from'} what the next hop got`];
    });
  });
}

/**
 * What the sender of refused mail is shown. The message is written to `written` and goes to `routed`; the server
 * refuses with `text` at `phase`. Nothing of `secret` may stand in the notice, also not behind its encodings;
 * everything of `shown` must.
 */
export async function leak(it: Case): Promise<Faults> {
  only(
    it.given,
    ['written', 'routed', 'phase', 'text', 'server', 'message', 'secret', 'shown', 'from', 'expect'],
    it.name,
  );
  const { leaks = false } = expected(it, ['leaks']);
  const written = textOf(it.given.written ?? 'case@in.test', 'written');
  const routed = textOf(it.given.routed, 'routed');
  const phase = it.given.phase === 'final-dot' ? 'dot' : textOf(it.given.phase ?? 'rcpt', 'phase');
  const refusal = it.given.text === undefined ? {} : { [phase]: textOf(it.given.text, 'text') };
  const secrets = it.given.secret === undefined ? [routed] : listOf(it.given.secret, 'secret');
  const wanted = it.given.shown === undefined ? [written] : listOf(it.given.shown, 'shown');
  return withServer({ ...serverSpec(it), ...refusal }, hopTerms(it), routed, async (pipeline) => {
    const from = await put({ ...it, given: { ...it.given, to: [written] } }, pipeline);
    await pipeline.live();
    const [notice] = pipeline.noticesTo(from);
    if (notice === undefined) return ['the sender got no notice'];
    const text = decoded(notice).toLowerCase();
    const seen = secrets.filter((secret) => text.includes(secret.toLowerCase()));
    const missing = wanted.filter((each) => !text.includes(each.toLowerCase()));
    return [
      ...(seen.length > 0 === leaks ? [] : [`the notice shows ${JSON.stringify(seen)}`]),
      ...missing.map((each) => `the notice does not show ${each}`),
    ];
  });
}

/** The text itself, and what its encodings say: quoted-printable, percent, RFC 2047, Base64. */
function decoded(notice: string): string {
  const unfolded = notice.replace(/=\r\n/g, '').replace(/\r\n[ \t]+/g, ' ');
  const hex = unfolded.replace(/[=%+]([0-9A-F]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  const escaped = hex.replace(/\\x\{([0-9a-f]{1,6})\}/gi, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 16)),
  );
  const base64 = [
    ...notice.matchAll(/(?:^[A-Za-z0-9+/]{20,}={0,2}\r\n)+/gm),
    ...notice.matchAll(/=\?[^?]+\?b\?([^?]+)\?=/gi),
  ];
  const texts = base64.map((found) => Buffer.from(found[1] ?? found[0], 'base64').toString('utf8'));
  return [unfolded, Buffer.from(escaped, 'latin1').toString('utf8'), escaped, ...texts].join('\n');
}
