// `everpost sendmail`: what cron, PHP and scripts call as /usr/sbin/sendmail. It reads one message, submits it, and ends with 0 only when both
// objects are stored; else with sysexits' code, so that the caller still has the message. It queues nothing on this machine.

import { readFileSync } from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { s3SubmissionClient } from '#adapters/s3-submission-client.ts';
import { S3SubmissionStore } from '#adapters/s3-submission-store.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { UlidNames } from '#adapters/ulid-names.ts';
import { parseMailbox, parseReversePath } from '#core/address.ts';
import { fileText } from '#core/file-text.ts';
import { messageBytesMax, submissionRecipientsMax } from '#core/limits.ts';
import { oneLine } from '#core/notice-encoding.ts';
import { printable } from '#core/printable.ts';
import { readArguments } from '#core/recipient-list.ts';
import { readSendmailArguments, type SendmailArguments } from '#core/sendmail-arguments.ts';
import { asLines, completed, needsDeclaration, recipientsInHeader } from '#core/sendmail-message.ts';
import { parseSubmitter, recipientsFor, spoolIdOf } from '#core/submission.ts';
import { receivedField } from '#core/submitted-fields.ts';
import type { SubmissionStore } from '#pipeline/ports.ts';
import { storableBytes, submit } from '#pipeline/submit.ts';

export const sendmailHelp = `everpost sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N WHEN] [-R RET] [-V ENVID] [-bs] [ADDRESS …]

Reads one message from standard input and submits it. Options are sendmail's; others that it knows are ignored.

Where to, from these options, else the environment, else /etc/everpost/sendmail.json (EVERPOST_SENDMAIL_CONFIG names another):
  --submitter NAME       EVERPOST_SUBMITTER  as whom; its credentials are your AWS credentials
  --bucket NAME          EVERPOST_BUCKET     the stack's bucket: fastest, and needs no further permission
  --stack NAME           EVERPOST_STACK      or the stack, whose bucket is then asked for
  --data DIR             EVERPOST_DATA       or the local instance of this folder
  --domain NAME          EVERPOST_DOMAIN     completes addresses without a domain (default: this machine's name)

Ends with 0 when the message is stored; 64 usage, 65 no recipient or too big, 66 no input, 67 no address, 75 try again, 77 not allowed,
78 configuration.
`;

/** sysexits.h */
const EX = { ok: 0, usage: 64, data: 65, noInput: 66, noUser: 67, tempFail: 75, noPermission: 77, config: 78 } as const;
class Exit extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export async function sendmail(args: readonly string[]): Promise<number> {
  try {
    const given = readSendmailArguments(args);
    if (given.kind === 'wrong') throw new Exit(EX.usage, given.why);
    const where = whereTo(given.own);
    return given.mode === 'smtp' ? await speak(where) : await send(given, where);
  } catch (error) {
    const known = error instanceof Exit;
    process.stderr.write(`sendmail: ${printable(error instanceof Error ? error.message : String(error))}\n`);
    return known ? error.code : EX.tempFail; // what nobody thought of may pass: the caller keeps the message
  }
}

type Where = {
  readonly submitter: string;
  readonly domain: string;
  readonly bucket: string | null;
  readonly stack: string | null;
  readonly data: string | null;
};

async function send(given: SendmailArguments, where: Where): Promise<number> {
  const text = await standardInput();
  const lines = asLines(text, given.dotsAreText);
  const named = readArguments(given.recipients, where.domain);
  const inHeader = given.fromHeader ? recipientsInHeader(lines, where.domain) : { mailboxes: [], unreadable: [] };
  const [unreadable] = [...named.unreadable, ...inHeader.unreadable];
  if (unreadable !== undefined)
    throw new Exit(EX.noUser, `"${oneLine(unreadable, 200)}" is no address: nothing was sent`);
  const all = new Map([...named.mailboxes, ...inHeader.mailboxes].map((mailbox) => [mailbox.address, mailbox]));
  const forwardPaths = [...all.values()].map(({ address }) => ({ address, notify: given.notify, orcpt: null }));
  if (forwardPaths.length === 0)
    throw given.fromHeader
      ? new Exit(EX.data, 'the header section names no recipient')
      : new Exit(EX.usage, 'no recipient: name one, or give -t');
  if (forwardPaths.length > submissionRecipientsMax)
    throw new Exit(EX.data, `a message may have ${submissionRecipientsMax} recipients`);

  const clock = new SystemClock();
  const name = { submitter: where.submitter, ulid: new UlidNames(clock).next() };
  const reversePath = senderOf(given, where);
  const content = completed(lines, {
    from: { name: given.fullName ?? process.env.NAME ?? '', mailbox: authorOf(reversePath, where) },
    at: clock.now(),
    messageIdField: `<${name.ulid}@${where.domain}>`,
    withoutBcc: given.fromHeader,
    received: receivedField({
      helo: '',
      address: null,
      protocol: null,
      host: where.domain,
      spoolId: spoolIdOf(name),
      forwardPath: null,
      at: clock.now(),
    }),
  });
  if (content.length > messageBytesMax) throw new Exit(EX.data, `a message may have ${messageBytesMax} bytes`);
  const most = recipientsFor(content.length);
  if (forwardPaths.length > most) throw new Exit(EX.data, `a message of this size may have ${most} recipients`);
  const smtputf8 = needsDeclaration(content, [reversePath, ...forwardPaths.map(({ address }) => address)]);
  const declared = smtputf8 ? { smtputf8 } : {};
  const request = { ...name, reversePath, forwardPaths, ret: given.ret, envid: given.envid, ...declared };
  const result = await submit(await storeOf(where), request, storableBytes(content), new AbortController().signal);
  if (result.kind === 'submitted') return EX.ok;
  const code = result.cause === 'denied' ? EX.noPermission : EX.tempFail;
  throw new Exit(code, `the message was not stored: ${result.detail}`);
}

/** SMTP on standard input and output, as if the submitter had logged in. */
async function speak(where: Where): Promise<number> {
  const [{ submissionServer }, { SubmissionSpace }, { standardStreams }] = await Promise.all([
    import('#adapters/submission-server.ts'),
    import('#adapters/submission-space.ts'),
    import('#adapters/standard-streams.ts'),
  ]);
  const store = await storeOf(where);
  const clock = new SystemClock();
  const server = submissionServer({
    settings: { host: where.domain, domains: [], submitters: {} },
    clients: { submitter: where.submitter },
    tls: null,
    allowPlainAuth: true,
    storeOf: () => store,
    space: new SubmissionSpace(tmpdir()),
    names: new UlidNames(clock),
    clock,
    log: () => {},
  });
  await server.converse(standardStreams());
  return EX.ok;
}

async function standardInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > messageBytesMax) throw new Exit(EX.data, `a message may have ${messageBytesMax} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Exit) throw error;
    throw new Exit(EX.noInput, `standard input can not be read: ${error instanceof Error ? error.message : error}`);
  }
  return Buffer.concat(chunks);
}

/** '' is the null reverse-path. */
function senderOf({ reversePath }: SendmailArguments, { domain }: Where): string {
  const given = reversePath ?? userName();
  if (given === '' || given === '<>') return '';
  const { mailboxes, unreadable } = readArguments([given], domain);
  const [mailbox] = mailboxes;
  if (
    mailbox === undefined ||
    mailboxes.length > 1 ||
    unreadable.length > 0 ||
    parseReversePath(mailbox.address) === undefined
  )
    throw new Exit(EX.noUser, `-f ${given}: this is no address`);
  return mailbox.address;
}

function authorOf(reversePath: string, { domain }: Where) {
  const mailbox = parseMailbox(reversePath === '' ? `${userName()}@${domain}` : reversePath);
  if (mailbox === null) throw new Exit(EX.config, `${domain} is no domain: give --domain`);
  return mailbox;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env.LOGNAME ?? 'nobody'; // a user without an entry, as in containers
  }
}

function whereTo(own: Readonly<Record<string, string>>): Where {
  const file = fileSettings(own.config ?? process.env.EVERPOST_SENDMAIL_CONFIG ?? null);
  const setting = (name: string) => own[name] ?? (process.env[`EVERPOST_${name.toUpperCase()}`] || file[name]) ?? null;
  const submitter = setting('submitter');
  if (submitter === null) throw new Exit(EX.config, 'as whom? Set EVERPOST_SUBMITTER, or give --submitter NAME');
  if (parseSubmitter(submitter) === null) throw new Exit(EX.config, `"${submitter}" is no submitter's name`);
  // The first source that names a place decides: --data is not overruled by a bucket in the file.
  const sources = [own, environment(), file];
  const place = sources.find((source) => source.bucket ?? source.stack ?? source.data);
  if (place === undefined) throw new Exit(EX.config, 'where to? Set EVERPOST_BUCKET, or give --bucket NAME');
  const given = setting('domain') ?? hostname();
  const domain = parseMailbox(`x@${given}`)?.domainKey;
  if (domain === undefined) throw new Exit(EX.config, `${given} is no domain: give --domain NAME`);
  return { submitter, domain, bucket: place.bucket ?? null, stack: place.stack ?? null, data: place.data ?? null };
}

function environment(): Readonly<Record<string, string | undefined>> {
  const { EVERPOST_BUCKET: bucket, EVERPOST_STACK: stack, EVERPOST_DATA: data } = process.env;
  return { bucket: bucket || undefined, stack: stack || undefined, data: data || undefined };
}

const USUAL_FILE = '/etc/everpost/sendmail.json';

/** Null: the usual file, which need not be there. */
function fileSettings(path: string | null): Readonly<Record<string, string>> {
  let text: string;
  try {
    text = fileText(readFileSync(path ?? USUAL_FILE));
  } catch (error) {
    if (path === null && (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Exit(EX.config, `the configuration can not be read: ${error instanceof Error ? error.message : error}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      );
  } catch {
    // Said below.
  }
  throw new Exit(EX.config, `${path ?? USUAL_FILE} is no JSON object of texts: {"submitter": "…", "bucket": "…"}`);
}

async function storeOf({ bucket, stack, data }: Where): Promise<SubmissionStore> {
  if (bucket !== null) {
    const region = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
    if (region === undefined) throw new Exit(EX.config, 'no AWS region is set: set AWS_REGION');
    return new S3SubmissionStore(s3SubmissionClient({ region, credentials: null }), bucket);
  }
  const { findInstance, submissionsFor } = await import('./instance.ts');
  return submissionsFor(await findInstance({ data: data ?? '.everpost', stack }));
}
