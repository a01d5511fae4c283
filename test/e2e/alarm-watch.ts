// The local runtime as an operator watches it: mail goes in, causes are set and mended, hours pass, and CloudWatch's
// alarms are asked. Called by alarms.test.ts and the stories. It keeps what each alarm did: raised by a cause, standing
// as long as the cause, ended. CloudWatch's rules are the emulator's (packages/aws-local/src/cloudwatch).

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Aws } from '#aws-local/aws.ts';
import { readAssembly } from '#aws-local/cloudformation/template.ts';
import type { AlarmReport } from '#aws-local/cloudwatch/cloudwatch.ts';
import { checkConfig } from '#config/check.ts';
import { boot, type Runtime } from '#local/runtime.ts';
import { type Article, articleIn, articleOf, checkWords, commandOf, runCommand } from './article-commands.ts';
import { trace } from './instance.ts';
import { type Catcher, catcher, type Manners, sendMail } from './smtp.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What an alarm did in a story, each in words for the table of all alarms. */
export type Course = { cause?: string; stands?: string; ends?: string };

export type Story = {
  readonly name: string;
  /** Those that it must show whole: raised, standing, ended. */
  readonly alarms: readonly string[];
  readonly play: (watch: AlarmWatch) => Promise<void>;
};

/** The next hop of a story: what it answers now. Undefined takes everything. */
export type Behaviour = { manners: Manners };

export class AlarmWatch {
  readonly runtime: Runtime;
  readonly server: Catcher;
  readonly behaviour: Behaviour;
  readonly secretsFile: string;
  /** Domains whose identities SES has not verified any more. */
  readonly unverified: string[];
  readonly courses = new Map<string, Course>();
  /** What was sent, by reverse-path. */
  readonly sent = new Map<string, Buffer>();
  readonly #descriptions: ReadonlyMap<string, string>;
  readonly folder: string;
  #mails = 0;
  #began = 0;

  private constructor(
    folder: string,
    runtime: Runtime,
    server: Catcher,
    { behaviour, unverified }: { readonly behaviour: Behaviour; readonly unverified: string[] },
  ) {
    this.folder = folder;
    this.runtime = runtime;
    this.server = server;
    this.behaviour = behaviour;
    this.unverified = unverified;
    this.secretsFile = join(folder, 'secrets.json');
    const resources = Object.values(readAssembly(join(folder, 'cdk.out')).template.Resources);
    this.#descriptions = new Map(
      resources
        .filter(({ Type }) => Type === 'AWS::CloudWatch::Alarm')
        .map(({ Properties = {} }) => [
          String(Properties.AlarmName).split('/').at(-1) ?? '',
          String(Properties.AlarmDescription),
        ]),
    );
  }

  /** Every alarm of the template, without the stack's name. */
  names(): readonly string[] {
    return [...this.#descriptions.keys()];
  }

  /** `sesOut`: where SES's mail goes; Maildir folders, which nobody reads, where it is absent. */
  static async open(config: (port: number) => object, secrets: object, sesOut?: string): Promise<AlarmWatch> {
    const folder = mkdtempSync(join(tmpdir(), 'everpost-alarms-'));
    const behaviour: Behaviour = { manners: {} };
    const server = await catcher({
      login: () => behaviour.manners.login?.(),
      rcpt: (forwardPath) => behaviour.manners.rcpt?.(forwardPath),
      finalDot: (caught) => behaviour.manners.finalDot?.(caught),
    });
    const checked = checkConfig(config(server.port), 'alarms');
    if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
    const secretsFile = join(folder, 'secrets.json');
    writeFileSync(secretsFile, JSON.stringify(secrets));
    const unverified: string[] = [];
    const runtime = await boot({
      sesUnverified: () => unverified,
      ...(sesOut === undefined ? {} : { sesOut }),
      ...{ settings: checked.settings, dataFolder: folder, secretsFile, show: () => {} },
      ...{ mxPort: 0, submissionPort: 0, consolePort: 0, sweepEveryMs: null, timeScale: 1, demo: false },
    });
    return new AlarmWatch(folder, runtime, server, { behaviour, unverified });
  }

  async close(): Promise<void> {
    await this.runtime.stop();
    await this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  alarms(): readonly AlarmReport[] {
    return (this.runtime.emulators as Aws).cloudWatch
      .alarms()
      .map((it) => ({ ...it, name: it.name.split('/').at(-1) ?? '' }));
  }

  on(): readonly string[] {
    return this.alarms()
      .filter(({ state }) => state === 'ALARM')
      .map(({ name }) => name);
  }

  #alarm(name: string): AlarmReport {
    const found = this.alarms().find((it) => it.name === name);
    if (found === undefined) throw new Error(`the template has no alarm ${name}`);
    return found;
  }

  async advance(ms: number): Promise<void> {
    const waits = await this.runtime.emulators.clock.advance(ms);
    if (waits.length > 0) throw new Error(`the clock waits for ${waits.join(', ')}`);
  }

  /** A fault of the emulators, until it is mended. */
  fault(service: string, operation: string, effect: string, more: { match?: string; times?: number } = {}): void {
    this.runtime.emulators.faults.add({ service, operation, effect, ...more });
  }

  heal(): void {
    this.runtime.emulators.faults.clear();
  }

  /** A message from outside, whose domain vouches for it or not. Returns its reverse-path, which no other has. */
  async send(to: string, vouched = true): Promise<string> {
    this.#mails += 1;
    const from = `sender-${this.#mails}@src.example`;
    const verdicts = { reversePath: from, spf: 'GRAY', dkim: 'GRAY', dmarc: 'GRAY' };
    if (!vouched) (this.runtime.emulators as Aws).ses.verdicts.set(verdicts);
    const head = `From: ${from}\r\nTo: ${to}\r\nSubject: About it\r\nMessage-ID: <${from}>\r\n\r\n`;
    const content = Buffer.from(`${head}Hello ${this.#mails}\r\n`);
    this.sent.set(from, content);
    const reply = await sendMail(this.runtime.ports.mx, from, [to], content);
    if (reply.code !== 250) throw new Error(`the front door said ${reply.code} ${reply.text}`);
    return from;
  }

  /** As the article on events has it: each into the feedback queue, and only then out of the dead letters. */
  async moveEvents(): Promise<void> {
    const [, loop] = /```sh\n(while[\s\S]*?)```/.exec(articleIn('receipt-dead-letters.md').text) ?? [];
    const command = (loop ?? '').replaceAll('ReceiptDeadLettersUrl', 'EventDeadLettersUrl');
    await this.run(command.replaceAll('IngestQueueUrl', 'FeedbackQueueUrl'));
  }

  /** One run of a scheduled function, by hand. */
  async runFunction(start: string): Promise<void> {
    const { functions } = this.runtime.emulators as Aws;
    const name = functions.functionNames().find((it) => it.includes(start)) ?? start;
    await functions.invoke(name, '{}');
  }

  /** Ends its deliveries, so that no other story sees them. */
  async remove(reversePath: string): Promise<void> {
    const spoolId = await this.spoolIdOf(reversePath);
    await this.run(`npx everpost remove --stack $STACK --spool-id ${spoolId} --without-notice`);
  }

  /** An operator's command that is no part of an article. */
  async run(command: string): Promise<string> {
    return runCommand({ runtime: this.runtime, dataFolder: this.folder }, command, {});
  }

  /** The client certificate in the secret of next hop `sealed` ends in so many days. */
  certificateEnds(days: number): void {
    const folder = mkdtempSync(join(tmpdir(), 'everpost-certificate-'));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', String(days), '-subj', '/CN=example.com'];
    execFileSync('openssl', [...made, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    const secret = { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
    rmSync(folder, { recursive: true });
    const secrets = JSON.parse(readFileSync(this.secretsFile, 'utf8')) as object;
    writeFileSync(this.secretsFile, JSON.stringify({ ...secrets, certificate: secret }));
  }

  async messageOf(reversePath: string) {
    const [message] = await trace({ data: this.folder }, '--reverse-path', reversePath);
    if (message === undefined) throw new Error(`no message of ${reversePath}`);
    return message;
  }

  /** Of an object that somebody with more rights than a submitter stores. */
  async put(Key: string, Body: string): Promise<void> {
    const { front, keys, world } = this.runtime.emulators;
    const credentials = keys.issue({ kind: 'root' });
    const s3 = new S3Client({ region: world.region, endpoint: front.endpoint, credentials, forcePathStyle: true });
    await s3.send(new PutObjectCommand({ Bucket: this.runtime.deployed.outputs.Bucket, Key, Body }));
    s3.destroy();
  }

  async spoolIdOf(reversePath: string): Promise<string> {
    return (await this.messageOf(reversePath)).spoolId;
  }

  /** A story begins: until now no alarm is on. */
  begin(): void {
    this.#began = this.runtime.emulators.clock.now();
  }

  /** The cause is there: within `ms` the alarm is raised, if it has not been in this story. */
  async raised(name: string, cause: string, ms: number): Promise<void> {
    for (let left = ms; Date.parse(this.#alarm(name).raisedAt ?? '') >= this.#began !== true; left -= MINUTE) {
      if (left <= 0) throw new Error(`${name} is not raised within ${ms / MINUTE} minutes by: ${cause}`);
      await this.advance(Math.min(left, MINUTE));
    }
    this.#note(name, { cause });
  }

  /** So long as the cause is there it never left ALARM: CloudWatch looked each minute. */
  async stands(name: string, ms: number): Promise<void> {
    const before = this.#alarm(name);
    if (before.state !== 'ALARM') throw new Error(`${name} is ${before.state}`);
    await this.advance(ms);
    const after = this.#alarm(name);
    if (after.state !== 'ALARM' || after.since !== before.since)
      throw new Error(`${name} did not stand for ${ms / MINUTE} minutes: ${after.state} since ${after.since}`);
    this.#note(name, { stands: 'as long as its cause' });
  }

  /** It tells of an event, and is over with it, though what it told of may last: `standing` says what stands then. */
  announces(name: string, standing: string): void {
    this.#alarm(name);
    this.#note(name, { stands: standing });
  }

  /** It is OK within `ms`, and stays so. */
  async ended(name: string, ms: number): Promise<void> {
    for (let left = ms; this.#alarm(name).state !== 'OK'; left -= MINUTE) {
      if (left <= 0) throw new Error(`${name} does not end within ${ms / MINUTE} minutes; on: ${this.on().join(', ')}`);
      await this.advance(Math.min(left, MINUTE));
    }
  }

  /** Runs a command of the article of `name`, as it stands there, with its placeholders filled in. */
  async follow(name: string, meant: RegExp, filled: Readonly<Record<string, string>> = {}): Promise<string> {
    const command = commandOf(this.#articleOf(name), meant);
    const said = await runCommand({ runtime: this.runtime, dataFolder: this.folder }, command, filled);
    this.#note(name, { ends: `\`${command}\`` });
    return said;
  }

  /** The same of a command that changes nothing; it must print something. */
  async look(name: string, meant: RegExp): Promise<void> {
    const command = commandOf(this.#articleOf(name), meant);
    const said = await runCommand({ runtime: this.runtime, dataFolder: this.folder }, command, {});
    if (said.trim() === '') throw new Error(`${command} says nothing`);
  }

  /** What the article says in words, done by hand. */
  async does(name: string, words: string, deed: () => unknown): Promise<void> {
    checkWords(this.#articleOf(name), words);
    await deed();
    this.#note(name, { ends: words });
  }

  #articleOf(name: string): Article {
    return articleOf(this.#descriptions.get(name) ?? '');
  }

  #note(name: string, course: Course): void {
    this.courses.set(name, { ...course, ...this.courses.get(name), ...course });
  }
}
