// The status that a report gives, and the one that its words imply: programs write a general one (5.0.0, 5.1.0) where
// the last server's words are exact. Total. It never gives another class than the report's own.

import { parseStatus, type Status, statusOf } from '#core/reply/status.ts';

const WORDS_CHARS_MAX = 2_000;
const ENHANCED = /(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)/g;

/** An enhanced status as it is written in the wild: `5.1.1 (bad address)`, `#5.1.1`, `05.1.1` not. The first. */
export function statusIn(text: string): Status | null {
  return statusesIn(text)[0] ?? null;
}

function statusesIn(text: string): Status[] {
  return [...text.slice(0, WORDS_CHARS_MAX).matchAll(ENHANCED)].flatMap(([, kind, subject, detail]) => {
    const found = parseStatus(`${kind}.${Number(subject)}.${Number(detail)}`);
    return found === null ? [] : [found];
  });
}

/** x.y.0: "other or undefined" of its subject (RFC 3463 §3). */
function isGeneral(status: Status): boolean {
  return status.endsWith('.0');
}

/**
 * The status that words imply: the exact one in them, else their code's class with the detail that the phrase is known
 * for (RFC 3463 §3). Of several the first, of the class asked for where one is.
 */
export function statusFrom(words: string | null, kind: string | null = null): Status | null {
  if (words === null) return null;
  const all = statusesIn(words);
  const within = kind === null ? all : all.filter((status) => status.startsWith(kind));
  const exact = within.find((status) => !isGeneral(status));
  if (exact !== undefined) return exact;
  const own = within[0] ?? null;
  const text = words.slice(0, WORDS_CHARS_MAX);
  const code = /(?<![\d.])([45])[0-5]\d(?=[\s:#;,-]|$)/.exec(text)?.[1];
  const known = PHRASES.find(([, phrase]) => phrase.test(text))?.[0];
  const [subject] = known?.split('.') ?? [];
  const mayBe = own === null || own.endsWith('.0.0') || own.slice(2).startsWith(`${subject}.`);
  if (known !== undefined && mayBe) return statusOf(`${kind ?? code ?? own?.charAt(0) ?? '5'}.${known}`);
  if (own !== null) return own;
  return code === undefined ? null : statusOf(`${kind ?? code}.0.0`);
}

/** The report's own status, or the exact one of the same class that its words have where its own is general. */
export function exactStatus(given: Status | null, words: string | null): Status | null {
  if (given === null) return statusFrom(words);
  if (!isGeneral(given) || given.startsWith('2')) return given;
  const better = statusFrom(words, given.charAt(0));
  if (better === null || better.endsWith('.0.0') || (isGeneral(better) && !given.endsWith('.0.0'))) return given;
  return better;
}

const PHRASES: readonly (readonly [string, RegExp])[] = [
  [
    '2.2',
    /(mailbox|account|quota|inbox)[^.]{0,30}(is |are )?(full|exceeded)|over ?quota|exceed\w{0,9}[^.]{0,20}quota/i,
  ],
  ['2.1', /(account|mailbox|user)[^.]{0,40}(disabled|inactive|suspended|discontinued)/i],
  [
    '1.1',
    /(user|recipient|mailbox|address|account)[^.]{0,40}(unknown|not found|not recogni[sz]ed|does ?n.t exist|does not exist|unavailable|couldn.t be found)|(unknown|no such|invalid|non-?existent) (local |e-?mail )?(user|recipient|mailbox|address|account|person)|@\S{1,255} (wasn.t|was not) found|\S{1,64} (wasn.t|was not) found at \S|RecipNotFound|not listed in (public |domino )/i,
  ],
  ['1.2', /(host|domain)[^.]{0,30}(unknown|not found|couldn.t be found)|(unknown|no such) (host|domain)/i],
  ['4.6', /too many hops|mail loop|routing loop|hop count exceeded/i],
];
