// Where `everpost sendmail` submits, as which submitter, and for which senders. It reads options, environment and
// /etc/everpost/sendmail.json. A stack and a local instance know the submitter's senders; where only the bucket is
// named, the file must name them. Called by sendmail.ts. It reads, and stores nothing.

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { s3SubmissionClient } from '#adapters/aws/s3-submission-client.ts';
import { S3SubmissionStore } from '#adapters/aws/s3-submission-store.ts';
import { fileText } from '#config/file-text.ts';
import { type Mailbox, parseMailbox } from '#core/message/address.ts';
import { toDomainKey } from '#core/message/domain-key.ts';
import { parseSubmitter, submitterOutput } from '#core/submission/submission.ts';
import type { SubmissionStore } from '#pipeline/ports.ts';
import { EX, Exit } from './sendmail-exit.ts';

export type Where = {
  readonly submitter: string;
  /** Completes names without one. */
  readonly domain: string;
  /** The sender where no -f names one; null: the user who runs the program. */
  readonly defaultSender: Mailbox | null;
  /** The senders that the file lets the submitter use; empty: none. */
  readonly senderDomains: readonly string[];
  /** Our other domains by the file, which are not the submitter's. */
  readonly ourDomains: readonly string[];
  readonly bucket: string | null;
  readonly stack: string | null;
  readonly data: string | null;
};

/** Where it is stored, and the domains that the submitter may send as: any other mail would be held. */
export type Place = {
  readonly store: SubmissionStore;
  readonly senderDomains: readonly string[];
  /**
   * The domains of the configuration and of all submitters, as far as the outputs or the file name them: an author in
   * them must be the submitter's.
   */
  readonly ourDomains: readonly string[];
};

export function whereTo(own: Readonly<Record<string, string>>): Where {
  const file = fileSettings(own.config ?? process.env.EVERPOST_SENDMAIL_CONFIG ?? null);
  const setting = (name: string, variable = name.toUpperCase()) =>
    own[name] ?? (process.env[`EVERPOST_${variable}`] || file[name]) ?? null;
  const submitter = setting('submitter');
  if (submitter === null)
    throw new Exit(EX.config, 'no submitter is named: set EVERPOST_SUBMITTER, or give --submitter NAME');
  if (parseSubmitter(submitter) === null) throw new Exit(EX.config, `"${submitter}" is no submitter's name`);
  // The first source that names a place decides: --data is not overruled by a bucket in the file.
  const sources = [own, environment(), file];
  const place = sources.find((source) => source.bucket ?? source.stack ?? source.data);
  if (place === undefined) throw new Exit(EX.config, 'no bucket is named: set EVERPOST_BUCKET, or give --bucket NAME');
  const sender = setting('defaultSender', 'DEFAULT_SENDER');
  const defaultSender = sender === null ? null : parseMailbox(sender);
  if (sender !== null && defaultSender === null) throw new Exit(EX.config, `defaultSender "${sender}" is no address`);
  const named = setting('domain');
  const given = named ?? defaultSender?.domain ?? hostname();
  const domain = parseMailbox(`x@${given}`)?.domainKey;
  if (domain === undefined) throw new Exit(EX.config, `${given} is no domain: give --domain NAME`);
  const listed = listOf(file.senderDomains);
  const said = [
    ...listed,
    ...(defaultSender === null ? [] : [defaultSender.domain]),
    ...(named === null ? [] : [named]),
  ];
  const senderDomains = keysOf(listed.length > 0 ? listed : said);
  const ourDomains = keysOf(listOf(file.ourDomains));
  const { bucket = null, stack = null, data = null } = place;
  return { submitter, domain, defaultSender, senderDomains, ourDomains, bucket, stack, data };
}

export async function openPlace({
  bucket,
  stack,
  data,
  submitter,
  senderDomains,
  ourDomains: named,
}: Where): Promise<Place> {
  if (bucket !== null) {
    const region = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
    if (region === undefined) throw new Exit(EX.config, 'no AWS region is set: set AWS_REGION');
    if (senderDomains.length === 0)
      throw new Exit(
        EX.config,
        `it is not known which senders ${submitter} may use: write defaultSender or senderDomains into ${USUAL_FILE}`,
      );
    const store = new S3SubmissionStore(s3SubmissionClient({ region, credentials: null }), bucket);
    return { store, senderDomains, ourDomains: [...senderDomains, ...named] };
  }
  const { findInstance, submissionsFor } = await import('./find-instance.ts');
  const instance = await findInstance({ data: data ?? undefined, stack });
  const output = submitterOutput(submitter);
  if (instance.outputs[`${output}PolicyArn`] === undefined)
    throw new Exit(EX.config, `no submitter is called ${submitter}: see submitters in everpost.config.ts`);
  const deployed = instance.outputs[`${output}SenderDomains`]?.split(' ') ?? senderDomains;
  const deployedOurs = Object.entries(instance.outputs)
    .filter(([name]) => name === 'Domains' || /^Submitter\w+SenderDomains$/.test(name))
    .flatMap(([, value]) => value?.split(' ') ?? []);
  return { store: submissionsFor(instance), senderDomains: deployed, ourDomains: [...deployedOurs, ...named] };
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(/[\s,]+/).filter((each) => each !== '');
}

function keysOf(domains: readonly string[]): readonly string[] {
  return domains.map((text) => toDomainKey(text) ?? text);
}

function environment(): Readonly<Record<string, string | undefined>> {
  const { EVERPOST_BUCKET: bucket, EVERPOST_STACK: stack, EVERPOST_DATA: data } = process.env;
  return { bucket: bucket || undefined, stack: stack || undefined, data: data || undefined };
}

const USUAL_FILE = '/etc/everpost/sendmail.json';

/** Null: the usual file, which need not be there. A list of texts is one text. */
function fileSettings(path: string | null): Readonly<Record<string, string>> {
  let text: string;
  try {
    text = fileText(readFileSync(path ?? USUAL_FILE));
  } catch (error) {
    if (path === null && (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Exit(EX.config, `the configuration cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value)
          .map(([name, each]: [string, unknown]) => [name, Array.isArray(each) ? each.join(',') : each] as const)
          .filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      );
  } catch {
    // Said below.
  }
  throw new Exit(EX.config, `${path ?? USUAL_FILE} is no JSON object of texts: {"submitter": "…", "bucket": "…"}`);
}
