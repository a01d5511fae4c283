// `everpost sendmail`: cron, PHP and scripts call it as /usr/sbin/sendmail. It reads one message and submits it. It
// exits with 0 only when both objects are stored and ingest would not hold the message for its sender. Otherwise it
// exits with a code of sysexits.h, and the message stays in dead.letter. It queues nothing on this machine.

import { homedir, tmpdir, userInfo } from 'node:os';
import { SystemClock } from '#adapters/system-clock.ts';
import { UlidNames } from '#adapters/ulid-names.ts';
import type { Settings } from '#config/settings.ts';
import { messageBytesMax, submissionRecipientsMax } from '#core/limits.ts';
import { type Mailbox, parseMailbox, parseSubmittedPath } from '#core/message/address.ts';
import { readFrom } from '#core/message/from-field.ts';
import { printable } from '#core/message/printable.ts';
import { readArguments } from '#core/message/recipient-list.ts';
import { oneLine } from '#core/message/text-encoding.ts';
import { receivedField } from '#core/submission/added-fields.ts';
import { ownOptions, readSendmailArguments, type SendmailArguments } from '#core/submission/sendmail-arguments.ts';
import { asLines, completed, needsDeclaration, recipientsInHeader } from '#core/submission/sendmail-message.ts';
import { recipientsFor, spoolIdOf } from '#core/submission/submission.ts';
import { mayAuthor, severalFromFields } from '#core/submission/submitter.ts';
import { storableBytes, submit } from '#pipeline/submit/submit.ts';
import { keepDeadLetter } from './dead-letter.ts';
import { EX, Exit } from './sendmail-exit.ts';
import { openPlace, type Place, type Where, whereTo } from './sendmail-place.ts';
import type { Verb } from './verb.ts';

const sendmailHelp = `everpost sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N WHEN] [-R RET] [-V ENVID] [-bs] [ADDRESS …]

Reads one message from standard input and submits it. Options are sendmail's; others that it knows are ignored.

The destination comes from these options, else from the environment, else from /etc/everpost/sendmail.json
(EVERPOST_SENDMAIL_CONFIG names another file):
  --submitter NAME       EVERPOST_SUBMITTER  the submitter; its credentials are your AWS credentials
  --bucket NAME          EVERPOST_BUCKET     the stack's bucket: fastest, and needs no further permission
  --stack NAME           EVERPOST_STACK      or the stack, whose bucket is then asked for
  --data DIR             EVERPOST_DATA       or the local instance of this folder
  --domain NAME          EVERPOST_DOMAIN     completes addresses without a domain (default: this machine's name)

The file may also have "defaultSender", the sender without -f, and, where only the bucket is known, "senderDomains", the
domains that the submitter may use, and "ourDomains", other domains of ours, whose authors are refused.

It ends with 0 when the message is stored. Otherwise the message stays in ~/dead.letter: 64 usage, 65 no recipient or
too big, 66 no input, 67 no address, 75 try again, 77 not allowed, 78 configuration.
`;

/** Its grammar is sendmail's own, and it starts for every mail: it does without the argument library. */
export const sendmailVerb: Verb = {
  help: () => sendmailHelp,
  run: sendmail,
  options: ownOptions.map((name) => `--${name}`),
};

async function sendmail(args: readonly string[]): Promise<number> {
  const input = new StandardInput();
  let piped = !args.some((word) => WITHOUT_MESSAGE.test(word));
  try {
    const given = readSendmailArguments(args);
    if (given.kind === 'wrong') throw new Exit(EX.usage, given.why);
    piped = given.mode === 'message';
    const where = whereTo(given.own);
    return piped ? await send(given, where, input) : await speak(where);
  } catch (error) {
    const code = error instanceof Exit ? error.code : EX.tempFail; // what nobody thought of may pass: the caller keeps the message
    const why = printable(error instanceof Error ? error.message : String(error));
    const kept = piped ? await keepIt(input, code, why, args) : '';
    process.stderr.write(`sendmail: ${why}${kept}\n`);
    return code;
  }
}

/**
 * Modes in which sendmail reads no message: SMTP, the queue, aliases, a daemon, statistics, addresses. In `-ba`, and in
 * an unknown mode, it does.
 */
const WITHOUT_MESSAGE = /^-[tivmnGUs]*b[dDhHipPstvz]/;

/** The program that piped the message here rarely has it still. The words are the end of the reason. */
async function keepIt(input: StandardInput, code: number, why: string, args: readonly string[]): Promise<string> {
  const at = new Date();
  const head = `From MAILER-DAEMON ${at.toUTCString()}\nX-Everpost-Not-Sent: exit ${code}, ${at.toISOString()}: ${oneLine(why, 900)}\nX-Everpost-Arguments: ${oneLine(args.join(' '), 900)}\n`;
  const home = homeFolder();
  const kept = await keepDeadLetter(input.whole(), head, { home, shared: '/var/tmp', uid: process.geteuid?.() ?? 0 });
  if (kept.kind === 'kept') return `; the message is kept in ${kept.path}`;
  return kept.kind === 'none' ? '' : `; THE MESSAGE COULD NOT BE KEPT: ${printable(kept.why)}`;
}

async function send(given: SendmailArguments, where: Where, input: StandardInput): Promise<number> {
  const text = await input.message();
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
  const place = await openPlace(where);
  const reversePath = senderOf(given, where, place);
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
  refuseAuthors(content, reversePath, where, place);
  const smtputf8 = needsDeclaration(content, [reversePath, ...forwardPaths.map(({ address }) => address)]);
  const declared = smtputf8 ? { smtputf8 } : {};
  const request = { ...name, reversePath, forwardPaths, ret: given.ret, envid: given.envid, ...declared };
  const result = await submit(place.store, request, storableBytes(content), new AbortController().signal);
  if (result.kind === 'submitted') return EX.ok;
  const code = result.cause === 'denied' ? EX.noPermission : EX.tempFail;
  throw new Exit(code, `the message was not stored: ${result.detail}`);
}

/**
 * Only an operator would notice a message that ingest holds. With a bucket alone, ingest and the file know the stack's
 * other domains.
 */
function refuseAuthors(content: Uint8Array, reversePath: string, where: Where, place: Place): void {
  const from = readFrom(content);
  if (from.doubt === 'several-from-fields') throw new Exit(EX.data, severalFromFields);
  const finding = mayAuthor(known(where, place), where.submitter, parseSubmittedPath(reversePath) ?? null, from);
  if (finding.kind === 'refused') throw new Exit(EX.noPermission, finding.detail);
}

/** SMTP on standard input and output, as if the submitter had logged in. */
async function speak(where: Where): Promise<number> {
  const [{ submissionServer }, { SubmissionSpace }, { standardStreams }] = await Promise.all([
    import('#gateway/server.ts'),
    import('#gateway/space.ts'),
    import('#gateway/standard-streams.ts'),
  ]);
  const place = await openPlace(where);
  const clock = new SystemClock();
  const server = submissionServer({
    settings: { host: where.domain, ...known(where, place) },
    clients: { submitter: where.submitter },
    tls: null,
    allowPlainAuth: true,
    storeOf: () => place.store,
    space: new SubmissionSpace(tmpdir()),
    names: new UlidNames(clock),
    clock,
    log: () => {},
  });
  await server.converse(standardStreams());
  return EX.ok;
}

/** The piped message: read once, and the bytes read so far are at hand for a dead letter. */
class StandardInput {
  private readonly chunks: Buffer[] = [];
  private source: AsyncIterator<Buffer> | null = null;

  async message(): Promise<Uint8Array> {
    let bytes = 0;
    try {
      for (let next = await this.next(); next !== null; next = await this.next()) {
        this.chunks.push(next);
        bytes += next.length;
        if (bytes > messageBytesMax) throw new Exit(EX.data, `a message may have ${messageBytesMax} bytes`);
      }
    } catch (error) {
      if (error instanceof Exit) throw error;
      throw new Exit(EX.noInput, `standard input cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    return Buffer.concat(this.chunks);
  }

  /** The bytes read and those still to come; nothing where standard input is a terminal. */
  async *whole(): AsyncGenerator<Uint8Array> {
    yield* this.chunks;
    if (process.stdin.isTTY) return;
    try {
      for (let next = await this.next(); next !== null; next = await this.next()) yield next;
    } catch {
      // Reading failed: the bytes read so far are kept.
    }
  }

  private async next(): Promise<Buffer | null> {
    this.source ??= (process.stdin as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    const { done, value } = await this.source.next();
    return done === true ? null : value;
  }
}

/**
 * '' is the null reverse-path. A sender whose mail would be held is refused, because its user would not notice. Where
 * -f is not given, or names a user of this machine as cron does (`-f root`) whose address may not be used, mail is from
 * `defaultSender`.
 */
function senderOf({ reversePath }: SendmailArguments, where: Where, { senderDomains }: Place): string {
  if (reversePath === '' || reversePath === '<>') return '';
  const { defaultSender, submitter, domain } = where;
  const may = ({ domainKey }: Mailbox) => senderDomains.includes(domainKey);
  const given = reversePath === null ? null : addressGiven(reversePath, domain);
  if (given !== null && may(given)) return given.address;
  const usual = defaultSender ?? authorOf(`${userName()}@${domain}`, where);
  const isAddress = reversePath?.includes('@') ?? false;
  if (!isAddress && may(usual) && (given === null || defaultSender !== null)) return usual.address;
  const its = `its domains: ${senderDomains.join(', ') || 'not known'}`;
  if (given !== null)
    throw new Exit(EX.noPermission, `-f ${reversePath}: ${submitter} may not send as ${given.domain} (${its})`);
  const remedy = 'set defaultSender in sendmail.json, or give -f';
  throw new Exit(EX.config, `${submitter} may not send as ${usual.address} (${its}): ${remedy}`);
}

function addressGiven(reversePath: string, domain: string): Mailbox {
  const { mailboxes, unreadable } = readArguments([reversePath], domain);
  const [mailbox, ...others] = mailboxes;
  if (mailbox === undefined || others.length > 0 || unreadable.length > 0)
    throw new Exit(EX.noUser, `-f ${reversePath}: this is no address`);
  return mailbox;
}

/** The check that ingest will make, as far as its facts are known here. */
function known({ submitter }: Where, { senderDomains, ourDomains }: Place): Pick<Settings, 'domains' | 'submitters'> {
  return { domains: ourDomains, submitters: { [submitter]: { secret: '', senderDomains } } };
}

function authorOf(address: string, { domain, defaultSender }: Where): Mailbox {
  const mailbox = address === '' ? (defaultSender ?? parseMailbox(`${userName()}@${domain}`)) : parseMailbox(address);
  if (mailbox === null) throw new Exit(EX.config, `${domain} is no domain: give --domain`);
  return mailbox;
}

function homeFolder(): string | null {
  try {
    return homedir() || null;
  } catch {
    return null; // a user without an entry
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env.LOGNAME ?? 'nobody'; // a user without an entry, as in containers
  }
}
