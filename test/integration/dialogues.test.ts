// Dialogues of the servers that people have behind their MX or in front of it, by test/fixtures/dialogues: our SMTP
// next hop and the pipeline speak with a scripted server over real sockets and TLS. Each dialogue ends with the
// outcome, fault, next attempt, event and NDR that the file says. Server and mailbox are asked for the bytes.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { reasonRow } from '#core/reply/reasons.ts';
import { type CasePipeline, withServer } from '#test/cases/case-pipeline.ts';
import type { CaseServer, ServerSpec } from '#test/cases/case-server.ts';

type Lines = string | readonly string[];
type Expected = {
  readonly outcome: 'relayed' | 'deferred' | 'failed';
  readonly fault: string | null;
  readonly reason: string | null;
  /** Of the notice, where it failed. */
  readonly status?: string;
  /** From now, in seconds: the earliest and the latest instant of the next attempt. */
  readonly nextAttemptSeconds: readonly [number, number] | null;
  readonly event: 'SEND' | 'DEFER' | 'FAIL';
  readonly alarm: boolean;
  readonly ndr: boolean;
};
type Dialogue = {
  readonly name: string;
  readonly source: string;
  /** What the server answers otherwise than an ordinary one does: by the names of ServerSpec. */
  readonly says: Readonly<Record<string, unknown>>;
  readonly expect: Expected;
  /** What the server heard, in this order, with other lines between: a pattern for each line. */
  readonly heard?: readonly string[];
  /** The client certificate is another one than the door's: its file. Null: none. */
  readonly certificate?: string | null;
  /** Nobody mends it: the notice comes at the end of the lifetime. */
  readonly lifetime?: true;
};
type Door = {
  readonly server: string;
  readonly tls: 'off' | 'opportunistic' | 'required' | 'implicit';
  readonly auth: boolean;
  /** The login is a token of so many octets, instead of a password. */
  readonly tokenOctets?: number;
  /** The file of a client certificate, in fixtures/tls/clients. */
  readonly certificate?: string;
  readonly source: string;
  readonly greet: string;
  readonly ehlo: Lines;
  readonly ehloTls: Lines;
  readonly dialogues: readonly Dialogue[];
};

const folder = new URL('../fixtures/dialogues/', import.meta.url);
const doors = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Door);

const SENDER = 'zoe@src.test';
const MESSAGE = `From: Zoe <${SENDER}>\r\nTo: case@in.test\r\nSubject: case\r\nMessage-ID: <1@src.test>\r\n\r\nHello\r\n..dot\r\n`;
const LOGIN = { username: 'relay@in.test', password: 'tr0ub4dor&3' };
const LIFETIME_HOURS = 60;
const OUTCOME_OF: Readonly<Record<string, Expected['outcome']>> = {
  SEND: 'relayed',
  DEFER: 'deferred',
  FAIL: 'failed',
};

test('the doors that a mail connector meets are all there', () => {
  expect(doors.map(({ server }) => server).join('\n')).toMatch(
    /(?=.*Exchange Online)(?=.*Workspace)(?=.*smtp-relay)(?=.*default frontend)(?=.*client frontend)(?=.*login_maps)(?=.*office365)(?=.*Mail Manager)(?=.*office365.com, with a token)(?=.*gmail.com, with a token)(?=.*by a certificate)/s,
  );
  for (const { source, dialogues } of doors)
    for (const each of dialogues) expect([source, each.source]).not.toContain('');
});

describe.each(doors.map((door) => [door.server, door] as const))('%s', (_, door) => {
  test.each(door.dialogues.map((each) => [each.name, each] as const))('%s', async (_name, dialogue) => {
    await withServer(
      specOf(door, dialogue),
      { tls: door.tls, lmtp: false, auth: door.auth && loginOf(door), certificate: certificateOf(door, dialogue) },
      null,
      (pipeline, server) => meets(dialogue, pipeline, server),
    );
  });
});

async function meets({ expect: expected, lifetime, heard = [] }: Dialogue, pipeline: CasePipeline, server: CaseServer) {
  pipeline.receive(Buffer.from(MESSAGE), SENDER, ['case@in.test']);
  await pipeline.pipeline.work();
  const [row] = pipeline.deliveries();
  if (row === undefined) throw new Error('there is no delivery');
  const told = row.trace.filter(({ event }) => OUTCOME_OF[event] !== undefined);
  expect(told.map(({ event, reason, attempt }) => [OUTCOME_OF[event], event, reason, attempt])).toEqual([
    [expected.outcome, expected.event, expected.reason, 1],
  ]);
  expect(reasonRow(expected.reason)?.fault ?? null).toBe(expected.fault);
  expect(pipeline.pipeline.watch.total('OperatorFault')).toBe(expected.alarm ? 1 : 0);
  nextAttempt(expected, row.dueAt, pipeline.pipeline.clock.now());
  expect(server.took.map(({ content }) => bodyOf(content))).toEqual(
    expected.outcome === 'relayed' ? [bodyOf(Buffer.from(MESSAGE))] : [],
  );
  expect(inOrder(heard, server.said)).toEqual(heard);
  expect(JSON.stringify(row)).not.toMatch(/tr0ub4dor|dHIwdWI0ZG9y|ya29/);
  await pipeline.live(6);
  notices(expected, pipeline.noticesTo(SENDER));
  if (lifetime === true) await atTheEnd(pipeline);
}

function nextAttempt({ nextAttemptSeconds }: Expected, dueAt: number | null, now: number): void {
  const seconds = dueAt === null ? null : (dueAt - now) / 1_000;
  if (seconds === null || nextAttemptSeconds === null) {
    expect(seconds).toBe(nextAttemptSeconds);
    return;
  }
  expect(seconds).toBeGreaterThanOrEqual(nextAttemptSeconds[0]);
  expect(seconds).toBeLessThanOrEqual(nextAttemptSeconds[1]);
}

function notices(expected: Expected, got: readonly string[]): void {
  expect(got.length).toBe(expected.ndr ? 1 : 0);
  for (const notice of got) {
    expect(notice).toContain('\r\nAction: failed\r\n');
    expect(notice).toContain(`\r\nStatus: ${expected.status}\r\n`);
    expect(notice).toMatch(/\r\nDiagnostic-Code: smtp; 5\d\d /);
  }
}

/** The sender is told once, and told that it was not theirs to mend. */
async function atTheEnd(pipeline: CasePipeline): Promise<void> {
  await pipeline.live(LIFETIME_HOURS);
  const [notice, ...more] = pipeline.noticesTo(SENDER);
  expect(more).toEqual([]);
  expect(notice).toContain('\r\nAction: failed\r\n');
  expect(pipeline.deliveries().map(({ state }) => state)).toEqual(['returned']);
}

function bodyOf(content: Buffer): string {
  const text = content.toString('latin1');
  return text.slice(text.indexOf('\r\n\r\n') + 4).replace(/(\r\n)*$/, '\r\n');
}

/** As far as they were heard. */
function inOrder(patterns: readonly string[], said: readonly string[]): readonly string[] {
  const left = said.values();
  return patterns.filter((pattern) => left.some((line) => new RegExp(pattern).test(line)));
}

function loginOf({ tokenOctets }: Door) {
  const { username, password } = LOGIN;
  return tokenOctets === undefined ? { username, password } : { username, token: 'ya29.'.padEnd(tokenOctets, 'x') };
}

function certificateOf(door: Door, dialogue: Dialogue) {
  const name = dialogue.certificate === undefined ? (door.certificate ?? null) : dialogue.certificate;
  const pem = (end: string) => readFileSync(new URL(`../fixtures/tls/clients/${name}.${end}`, import.meta.url), 'utf8');
  return name === null ? null : { certificate: pem('pem'), key: pem('key') };
}

function specOf(door: Door, { says }: Dialogue): ServerSpec {
  const own = Object.entries(says).map(([name, reply]) => [name, name === 'rules' ? reply : lines(reply as Lines)]);
  return {
    greet: door.greet,
    ehlo: lines(door.ehlo),
    ehloTls: lines(door.ehloTls),
    ...(Object.fromEntries(own) as ServerSpec),
  };
}

function lines(reply: Lines): string {
  return typeof reply === 'string' ? reply : reply.join('\r\n');
}
