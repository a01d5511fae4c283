// What people are told of a failure: which of the texts fits a status, a reason and a row of the reply rules. Called
// for notices and by the command that classifies a reply. The texts themselves: texts-en.ts. Keyed by language, English
// for now. Never assembled from remote text.

import { reasonRow } from '#core/reply/reasons.ts';
import { rowOf } from '#core/reply/rules/providers.ts';
import type { Status } from '#core/reply/status.ts';
import { english, englishRefusedUs, englishUnknown } from './texts-en.ts';
import type { StatusText } from './texts-en-shared.ts';

export type Language = 'en';

type Texts = {
  readonly table: Readonly<Record<string, StatusText>>;
  readonly refusedUs: (says: string) => StatusText;
  readonly unknown: StatusText;
};
const TEXTS: Readonly<Record<Language, Texts>> = {
  en: { table: english, refusedUs: englishRefusedUs, unknown: englishUnknown },
};

/**
 * What to say about a status. `own`: no remote server replied, so that the judgement is ours. Always answers: the exact
 * status, else its subject, else its class. `reason`: the ledger's reason for the failure, where it says more; `rule`:
 * the row of the reply rules that decided, whose own words for the cause come first.
 */
export function statusText(
  status: Status,
  own: boolean,
  reason: string | null = null,
  rule: string | null = null,
  language: Language = 'en',
): StatusText {
  const text = tableText(status, own, reason, language);
  const says = rowOf(rule)?.says;
  return says === undefined ? text : { ...text, cause: says };
}

function tableText(status: Status, own: boolean, reason: string | null, language: Language): StatusText {
  const texts = TEXTS[language];
  const row = reasonRow(reason);
  if (row?.refusesUs === true) return texts.refusedUs(row.says);
  for (const key of [...reasonKeys(reason, status), ...statusTextKeys(status, own)]) {
    const text = texts.table[key];
    if (text !== undefined) return text;
  }
  return texts.unknown;
}

/**
 * A reason knows more than a status that says something else, as Exchange Online's 5.4.1 does, or nothing, as 5.0.0
 * does. A status that says the same more exactly stays.
 */
const MORE_EXACT: Readonly<Record<string, RegExp>> = {
  'recipient-unknown': /^[45]\.1\.[1-6]$/,
  'domain-takes-no-mail': /^[45]\.1\.(?:2|10)$/,
  'sender-refused': /^[45]\.(?:1\.[78]|7\.27)$/,
  'mailbox-full': /^[45]\.2\.2$/,
  'mailbox-disabled': /^[45]\.2\.1$/,
  'recipient-restricted': /^[45]\.7\.2$/,
  'message-too-large': /^[45]\.(?:2\.3|3\.4)$/,
  'content-refused': /^[45]\.6\.\d{1,3}$/,
  'next-hop-sees-loop': /^[45]\.4\.6$/,
  greylisted: /^4\.7\.1$/,
  'recipient-address-bad': /^[45]\.1\.[1-6]$/,
  'recipient-refused': /^[45]\.(?:7\.1|2\.\d{1,3})$/,
  'refused-by-policy': /^[45]\.7\.\d{1,3}$/,
  'sender-unauthenticated': /^[45]\.7\.(?:20|23|26)$/,
};

function reasonKeys(reason: string | null, status: Status): string[] {
  return MORE_EXACT[reason ?? '']?.test(status) === true ? [] : [`reason ${reason}`];
}

/** The keys under which a status is looked up, best first. */
function statusTextKeys(status: Status, own: boolean): string[] {
  const [of = '', subject = '', detail = ''] = status.split('.');
  const exact = [`${of}.${subject}.${detail}`, `X.${subject}.${detail}`];
  const general = [`X.${subject}`, of];
  const ours = (keys: readonly string[]) => (own ? keys.map((key) => `own ${key}`) : []);
  // A network fault has no reply either: its own subject says more than that the judgement is ours.
  return [...ours(exact), ...exact, ...ours(general), ...general];
}

/** The server refused it and many others in the same words; the operator decides whether it is tried again. */
export const WAITS_FOR_PERSON =
  'The server refused it, as it refused other messages at that time. Our postmaster decides whether we try again. If it cannot be delivered, another notice will say so.';
