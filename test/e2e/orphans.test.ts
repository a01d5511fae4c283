// Mail whose receipt is lost, end to end: its queue refuses it, the clock goes on, the message is held and alarmed; an
// operator names the recipients, or the receipt is handed on late. What arrives is compared byte for byte with what was
// sent.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviations } from './arrival.ts';
import { discard, type Instance, start, tool, trace, traced, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

let server: Catcher;
let instance: Instance;
let sqs: SQSClient;
let queues: Readonly<Record<string, string>>;

beforeAll(() => begin(['--sweep-every', '1m']));

async function begin(args: readonly string[]): Promise<void> {
  server = await catcher({ rcpt: (to) => (to.startsWith('refused') ? '550 5.1.1 no such user' : undefined) });
  instance = await start({
    config: {
      domains: ['example.com'],
      nextHops: { boxes: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' } },
      routes: [{ match: '*@example.com', to: [{ via: 'boxes' }] }],
      retry: { schedule: ['1m'], lifetime: '10m', delayNotice: false },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'boxes' },
    },
    args,
  });
  const { endpoint, region, credentials, outputs } = await tool<{
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
    outputs: Record<string, string>;
  }>(instance, 'GET', '/endpoint');
  sqs = new SQSClient({ endpoint, region, credentials });
  queues = outputs;
}

async function end(): Promise<void> {
  sqs?.destroy();
  await discard(instance);
  await server?.close();
}
afterAll(end);

const content = (name: string) =>
  Buffer.from(
    `From: ann@src.example\r\nTo: ${name}@example.com\r\nSubject: About ${name}\r\nMessage-ID: <${name}@src.example>\r\n\r\nGr\xfc\xdfe,\n${name}\r\n`,
    'latin1',
  );
const advance = (by: string) => tool(instance, 'POST', '/clock', { advance: by });
const arrived = (address: string) => server.caught.filter((each) => each.forwardPaths.includes(address));
const alarm = async (name: string) =>
  (await tool<{ name: string; state: string }[]>(instance, 'GET', '/alarms')).find((each) =>
    each.name.endsWith(`/${name}`),
  )?.state;

/** Sends it, and its receipt ends where SNS puts what the ingest queue refuses. */
async function sendAndLose(name: string, to: readonly string[] = [`${name}@example.com`]): Promise<void> {
  const fault = { service: 'sqs', operation: 'SendMessage', match: '-IngestQueue', effect: 'deny', times: 1 };
  await tool(instance, 'POST', '/faults', fault);
  expect((await sendMail(instance.mx, `${name}@src.example`, to, content(name))).code).toBe(250);
  const struck = async () => ((await tool<unknown[]>(instance, 'GET', '/faults')).length === 0 ? true : null);
  expect(await until(struck, 20_000)).toBe(true);
}

/** Its spoolId, once it is held. */
async function held(name: string): Promise<string> {
  const [found] = await traced(instance, ['--reverse-path', `${name}@src.example`], (messages) => {
    return messages[0]?.deliveries[0]?.state === 'held';
  });
  return found?.spoolId ?? '';
}

/** `everpost VERB …`: its exit code and what it says. */
async function everpost(...args: string[]): Promise<{ readonly code: number; readonly said: string }> {
  const given = ['src/cli/everpost.ts', ...args, '--data', instance.data];
  const run = promisify(execFile)(process.execPath, given, { cwd: `${import.meta.dirname}/../..` });
  return run.then(
    ({ stdout }) => ({ code: 0, said: stdout }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      said: error.stdout + error.stderr,
    }),
  );
}

/**
 * As docs/runbook/receipt-dead-letters.md has it: each receipt into the ingest queue, and only then out of the dead
 * letters.
 */
async function handReceiptsOn(): Promise<void> {
  for (;;) {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queues.ReceiptDeadLettersUrl }));
    const [message] = Messages;
    if (message === undefined) return;
    await sqs.send(new SendMessageCommand({ QueueUrl: queues.IngestQueueUrl, MessageBody: message.Body }));
    await sqs.send(
      new DeleteMessageCommand({ QueueUrl: queues.ReceiptDeadLettersUrl, ReceiptHandle: message.ReceiptHandle }),
    );
  }
}

describe('mail whose receipt is lost', () => {
  it('is held and alarmed, and leaves byte for byte for those whom an operator names', async () => {
    await sendAndLose('named');
    await advance('55m');
    expect(await trace(instance, '--reverse-path', 'named@src.example')).toEqual([]);
    const alarmed = async () => {
      await advance('1m');
      return (await alarm('ReceiptMissing')) === 'ALARM' ? true : null;
    };
    expect(await until(alarmed, 60_000)).toBe(true);
    const spoolId = await held('named');
    const [message] = await trace(instance, '--spool-id', spoolId);
    expect(message?.deliveries[0]).toMatchObject({ forwardPath: 'named@example.com', route: -1, nextHop: '' });
    expect(message?.messageIdField).toBe('<named@src.example>');

    const bare = await everpost('release', '--spool-id', spoolId);
    expect(bare).toMatchObject({ code: 1, said: expect.stringContaining('--to ADDR') });
    const strange = await everpost('release', '--spool-id', spoolId, '--to', 'named@elsewhere.example');
    expect(strange).toMatchObject({ code: 1, said: expect.stringContaining('no route takes named@elsewhere.example') });
    expect((await everpost('release', '--spool-id', spoolId, '--to', 'named')).code).toBe(2);
    const both = ['--to', 'named@example.com', '--to', 'also-named@example.com'];
    expect(await everpost('release', '--spool-id', spoolId, ...both)).toMatchObject({ code: 0 });

    await traced(instance, ['--spool-id', spoolId], ([found]) => {
      const states = (found?.deliveries ?? []).map(({ state }) => state).sort();
      return states.join() === 'relayed,relayed,removed';
    });
    for (const address of ['named@example.com', 'also-named@example.com']) {
      const [mail, ...more] = arrived(address);
      expect(more).toEqual([]);
      expect(mail?.reversePath).toBe('named@src.example');
      expect(deviations(content('named'), mail?.content ?? Buffer.alloc(0))).toEqual([]);
    }
    expect((await everpost('release', '--spool-id', spoolId, ...both)).said).toContain('recipients-named');
  });

  it('goes its way when the receipt is handed on late, once for those who have it already', async () => {
    await sendAndLose('late', ['late@example.com', 'refused-late@example.com']);
    await advance('2h');
    const spoolId = await held('late');
    await handReceiptsOn(); // that of the message before, too: its recipient has it
    const [found] = await traced(instance, ['--spool-id', spoolId], ([message]) => {
      const states = Object.fromEntries(
        (message?.deliveries ?? []).map((each) => [each.forwardPath + each.route, each.state]),
      );
      return states['late@example.com0'] === 'relayed' && states['refused-late@example.com0'] === 'returned';
    });
    expect(found?.deliveries.find(({ route }) => route === -1)?.state).toBe('removed');
    expect(found?.events.map(({ event, reason }) => `${event} ${reason}`)).toContain('DROP receipt-came');
    const [mail, ...more] = arrived('late@example.com');
    expect(more).toEqual([]);
    expect(deviations(content('late'), mail?.content ?? Buffer.alloc(0))).toEqual([]);
    expect(arrived('late@src.example')).toHaveLength(1); // the report on the other one
    await advance('3h');
    expect(arrived('named@example.com')).toHaveLength(1);
    expect(arrived('late@example.com')).toHaveLength(1);
  });

  it('ends without a notice where an operator removes it', async () => {
    await sendAndLose('unwanted');
    await advance('2h');
    const spoolId = await held('unwanted');
    expect(await everpost('remove', '--spool-id', spoolId)).toMatchObject({ code: 0 });
    await advance('3h');
    const [message] = await trace(instance, '--spool-id', spoolId);
    expect(message?.deliveries.map(({ state }) => state)).toEqual(['removed']);
    expect([...arrived('unwanted@src.example'), ...arrived('unwanted@example.com')]).toEqual([]);
  });

  it('the search keeps up, and lacks no permission', async () => {
    expect(await alarm('OrphanSweepOverdue')).toBe('OK');
    expect(await alarm('OrphansErrors')).not.toBe('ALARM');
    const { denied } = await tool<{ denied: unknown[] }>(instance, 'GET', '/permissions');
    expect(denied).toEqual([]);
  });
});

describe('with --time-scale', () => {
  it('the hour shrinks, and the rhythm does not', async () => {
    await end();
    await begin(['--sweep-every', '1m', '--time-scale', '60']);
    await sendAndLose('scaled');
    await advance('58m');
    expect(await trace(instance, '--reverse-path', 'scaled@src.example')).toEqual([]);
    await advance('4m'); // the first search comes an hour after the start, when the message is not yet an hour old
    expect(await held('scaled')).not.toBe('');
  });
});
