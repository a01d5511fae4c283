// `everpost gateway`: an SMTP submission server beside an on-premises mail server or a program. It stores accepted mail
// on S3. It needs a bucket's name and credentials that may put objects below the submitters' prefixes. It keeps no mail
// itself.

import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { UlidNames } from '#adapters/ulid-names.ts';
import { openToOthers } from '#config/file-text.ts';
import { loadConfig } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';
import { boardEveryMs } from '#core/limits.ts';
import { printableJson } from '#core/message/printable.ts';
import type { TlsFiles } from '#gateway/callers.ts';
import { FileSecrets } from '#gateway/file-secrets.ts';
import { LoginGuard } from '#gateway/login-guard.ts';
import { OutboundPaused } from '#gateway/paused.ts';
import { type SubmissionServer, submissionServer } from '#gateway/server.ts';
import { SubmissionSpace } from '#gateway/space.ts';
import { BadConfiguration, exitCodes, Usage } from './exit.ts';
import { bucketAlone, dynamoFor, findInstance, secretsFor, submissionsFor } from './find-instance.ts';
import { flag, text, type ValuesOf, verb } from './verb.ts';

const options = {
  stack: text('NAME', 'the deployed stack, by your AWS credentials'),
  bucket: text('NAME', 'its bucket, where your credentials may not ask for the stack'),
  table: text('NAME', 'beside --bucket: its table, so that MAIL is answered 451 while outbound mail is paused'),
  data: text('DIR', 'the local instance of this folder (default .everpost)'),
  config: text('FILE', 'the configuration, for submitters and domains (default everpost.config.ts)'),
  listen: text('HOST:PORT', 'default 127.0.0.1:587'),
  'tls-listen': text('HOST:PORT', 'TLS from the start, usually port 465; needs --cert and --key'),
  cert: text('FILE', 'PEM; with it and --key STARTTLS is offered. SIGHUP reads both again'),
  key: text('FILE', 'PEM; the private key of --cert'),
  secrets: text('FILE', '{"name": {"username": "…", "password": "…"}} (default: Secrets Manager)'),
  'allow-plain-auth': flag('logins without TLS, also from other machines: passwords can be read on the way'),
  json: flag('the ready line as JSON'),
};

export const gateway = verb({
  usage: 'gateway [options]',
  about: 'a submission server (SMTP) whose mail goes to the spool; docs/gateway.md',
  sections: [
    options,
    'It writes one JSON line for each message to standard error. At SIGTERM it answers the messages in work, then ends.',
  ],
  run: serve,
});

type Flags = ReturnType<typeof read>;
type Place = { readonly host: string; readonly port: number };

async function serve(values: ValuesOf<typeof options>): Promise<number> {
  const ended = signalled();
  const flags = read(values);
  const settings = await settingsOf(flags);
  const { server, paused } = await wired(flags, settings);
  const unwatched = await paused.watch(boardEveryMs);
  const places: Record<string, string> = { submission: await open(server, flags.listen, false) };
  if (flags.tlsListen !== null) places.tls = await open(server, flags.tlsListen, true);
  const ready = Object.entries(places).map(([name, place]) => `${name}=${place}`);
  process.stdout.write(flags.json ? `${JSON.stringify(places)}\n` : `ready ${ready.join(' ')}\n`);
  process.on('SIGHUP', () => renew(server, flags));
  await ended;
  await server.stop();
  unwatched();
  return exitCodes.done;
}

type Wired = { readonly server: SubmissionServer; readonly paused: OutboundPaused };

async function wired(flags: Flags, settings: Settings): Promise<Wired> {
  const instance =
    flags.bucket === null ? await findInstance(flags) : { ...(await bucketAlone(flags.bucket)), table: flags.table };
  if (instance.bucket === '') throw new BadConfiguration('the instance names no bucket: deploy the stack again');
  for (const file of [flags.secrets, flags.tls?.key ?? null]) warnOf(file);
  const clock = new SystemClock();
  const store = submissionsFor(instance);
  const secrets = flags.secrets === null ? secretsFor(instance) : new FileSecrets(flags.secrets);
  const board = instance.table === null ? null : new DynamoBoard(dynamoFor(instance), instance.table);
  const read = board === null ? null : () => board.readPauses();
  const paused = new OutboundPaused({ settings, read, clock, log: logLine });
  const server = submissionServer({
    settings,
    isPaused: () => paused.is(),
    clients: new LoginGuard(settings.submitters, secrets, clock),
    tls: flags.tls === null ? null : readTls(flags.tls),
    allowPlainAuth: flags.allowPlainAuth,
    storeOf: () => store,
    space: new SubmissionSpace(tmpdir()),
    names: new UlidNames(clock),
    clock,
    log: logLine,
  });
  return { server, paused };
}

/**
 * Warns at the start of a password or key file that other users can read. A file that cannot be read is an error where
 * it is used.
 */
function warnOf(file: string | null): void {
  if (file === null || process.platform === 'win32') return;
  const mode = modeOf(file);
  const open = mode === undefined ? null : openToOthers(file, mode, true);
  if (open !== null) logLine('submission.secrets-open', { why: open });
}

function modeOf(file: string): number | undefined {
  try {
    return statSync(file).mode;
  } catch {
    return undefined;
  }
}

/** One JSON line on standard error. */
export function logLine(event: string, fields: Readonly<Record<string, unknown>>): void {
  process.stderr.write(`${printableJson(JSON.stringify({ at: new Date().toISOString(), event, ...fields }))}\n`);
}

function read(values: ValuesOf<typeof options>) {
  const { cert, key, stack, data } = values;
  if ((cert === undefined) !== (key === undefined)) throw new Usage('--cert and --key belong together');
  const tls = cert === undefined || key === undefined ? null : { cert, key };
  const listen = placeOf('--listen', values.listen ?? '127.0.0.1:587');
  const tlsListen = values['tls-listen'] === undefined ? null : placeOf('--tls-listen', values['tls-listen']);
  if (tlsListen !== null && tls === null) throw new Usage('--tls-listen needs --cert FILE and --key FILE');
  return {
    stack,
    data,
    bucket: values.bucket ?? null,
    table: values.table ?? null,
    config: values.config,
    secrets: values.secrets ?? null,
    allowPlainAuth: values['allow-plain-auth'] === true,
    json: values.json === true,
    listen,
    tlsListen,
    tls,
  };
}

/** A listener where no client of another machine could submit anything. */
function refuseUseless({ listen, tls, allowPlainAuth }: Flags, { submitters }: Settings): void {
  const local = listen.host === '127.0.0.1' || listen.host === '::1' || listen.host === 'localhost';
  if (local || tls !== null || allowPlainAuth || Object.values(submitters).some(({ withoutTls }) => withoutTls)) return;
  throw new Usage(`nobody could log in at ${listen.host} without TLS: give --cert FILE and --key FILE`);
}

function placeOf(flag: string, text: string): Place {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  if (host === '' || Number(digits) > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6))
    throw new Usage(`${flag} ${text}: write HOST:PORT`);
  return { host, port: Number(digits) };
}

async function settingsOf(flags: Flags): Promise<Settings> {
  const config = await loadConfig(flags.config);
  if (config.kind === 'wrong') throw new BadConfiguration(config.problems.join('\n'));
  refuseUseless(flags, config.settings);
  if (Object.keys(config.settings.submitters).length === 0)
    throw new BadConfiguration(
      'the configuration has no submitters, so nobody could log in: write submitters: { name: { secret, senderDomains } }',
    );
  return config.settings;
}

async function open(server: SubmissionServer, { host, port }: Place, implicitTls: boolean): Promise<string> {
  try {
    const bound = await server.listen({ host, port, implicitTls });
    return `${host.includes(':') ? `[${host}]` : host}:${bound}`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new Error(`the port ${port} is taken: choose another, or end what has it`);
    if (code === 'EACCES') throw new Error(`the port ${port} may not be opened by this user: choose one above 1023`);
    throw new Error(`${host}:${port} cannot be opened: ${message}`);
  }
}

function readTls({ cert, key }: { readonly cert: string; readonly key: string }): TlsFiles {
  try {
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } catch (error) {
    throw new BadConfiguration(`the certificate cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function renew(server: SubmissionServer, { tls }: Flags): void {
  if (tls === null) return;
  try {
    server.renew(readTls(tls));
    logLine('submission.certificate-renewed', {});
  } catch (error) {
    logLine('submission.certificate-kept', { why: error instanceof Error ? error.message : String(error) });
  }
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}
