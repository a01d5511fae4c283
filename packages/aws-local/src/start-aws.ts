// The package's entry: `startAws` starts an emulated AWS in one call, for a test or a program. The caller names queues,
// buckets, topics, tables and secrets, or the folder of a synthesised template. It listens on 127.0.0.1 alone.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Aws, openAws } from './aws.ts';
import type { Deployed } from './cloudformation/deploy.ts';
import { readAssembly } from './cloudformation/template.ts';
import type { TableProperties } from './dynamodb/tables.ts';
import type { Secrets } from './secrets/secrets-manager.ts';
import { openFrontDoor } from './ses/inbound-smtp.ts';
import { type Access, accessTo, furnish, type Wanted } from './start-emulators.ts';

export type StartOptions = Wanted & {
  /** In the words of AWS::DynamoDB::Table. */
  readonly tables?: readonly TableProperties[];
  readonly secrets?: Secrets;
  /** The domains that SES sends as and receives for; by default none. */
  readonly mail?: {
    readonly domains: readonly string[];
    /** Asked at each call, as `MailOptions` has them; the domains are verified identities by default. */
    readonly identities?: () => readonly string[];
    readonly unverified?: () => readonly string[];
    readonly unsigned?: () => readonly string[];
    readonly mailFrom?: (identity: string) => string | null;
    /** An SMTP server for SES's outgoing mail. By default it goes into Maildirs, in `ses-out` of the data folder. */
    readonly sendTo?: { readonly host: string; readonly port: number };
  };
  /** A folder that `cdk synth` wrote, with one stack: its resources are made and its functions run. */
  readonly assembly?: string;
  /** Of the endpoint; a free one by default. */
  readonly port?: number;
  readonly account?: string;
  readonly region?: string;
  /** Called with each log line of the emulators and the functions. */
  readonly log?: (line: string) => void;
};

export type AwsLocal = Aws &
  Access & {
    /** Where SES receives mail by SMTP; null without `mail`. */
    readonly smtpPort: number | null;
    /** The stack of `assembly`: its resources and outputs. */
    readonly stack: Deployed | null;
  };

/**
 * Without `dataFolder` its state is in a temporary folder and goes with `close`. With one, it is taken up at the next
 * start.
 */
export async function startAws(options: StartOptions = {}): Promise<AwsLocal> {
  const folder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'aws-local-'));
  const closers: (() => unknown)[] = [];
  if (options.dataFolder === undefined) closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).reverse()) await each();
  };
  try {
    return { ...(await start(options, folder, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(options: StartOptions, folder: string, closers: (() => unknown)[]): Promise<AwsLocal> {
  const { mail, secrets = {} } = options;
  const lines: string[] = [];
  const log = (line: string): void => {
    lines.push(line);
    options.log?.(line);
  };
  const domains = (): readonly string[] => mail?.domains ?? [];
  const aws = await openAws({
    ...options,
    dataFolder: folder,
    log,
    secrets: () => secrets,
    mail: {
      ...{ verifiedDomains: domains, identities: mail?.identities ?? domains },
      ...{ unverified: mail?.unverified, unsigned: mail?.unsigned, mailFrom: mail?.mailFrom },
      out: mail?.sendTo ?? { folder: join(folder, 'ses-out') },
    },
    onFunctionLine: (functionName, line) => log(`${functionName} ${line}`),
  });
  closers.push(() => aws.close());
  furnish(aws, options);
  for (const table of options.tables ?? []) await aws.tables.create(table);
  const stack = options.assembly === undefined ? null : await aws.deploy(readAssembly(options.assembly));
  aws.resume();
  const host = `inbound-smtp.${aws.world.region}.amazonaws.com`;
  const smtp = mail === undefined ? null : await openFrontDoor({ port: 0, host, door: aws.ses.door, log });
  if (smtp !== null) closers.push(smtp.close);
  return { ...aws, ...accessTo(aws, folder, lines), smtpPort: smtp?.port ?? null, stack };
}
