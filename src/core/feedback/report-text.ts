// Reads reports in words (qmail, Exim, Exchange before 2007, Domino, Smail and many home-made ones): the addresses that
// they name and what they say. It goes by shape, not by product: a sentence about a failure, and after it addresses
// that stand alone, in front of a colon, or within one of the sentences that mailers write. Total and linear: each line
// is read a bounded number of times and cut short. It never decides whether the text is a report: the caller does
// (core/feedback/report-signs.ts).

import { replyTextMax, reportRecipientsMax } from '#core/limits.ts';
import type { HeaderField } from '#core/message/header.ts';
import { oneLine } from '#core/message/text-encoding.ts';
import { originalFields } from './report-fields.ts';
import { hasForm } from './report-forms.ts';
import { beginsOriginal } from './report-original.ts';

export type BounceText = {
  /** Empty where a mailer's own form names no recipient. */
  readonly recipients: readonly { readonly address: string; readonly words: string | null }[];
  /** It will be tried again, and the sender has nothing to do. */
  readonly delayed: boolean;
  /** It has one of the forms that mailers write, and that no person writes. */
  readonly formal: boolean;
  /** A server's own code stands in it. */
  readonly coded: boolean;
  /** The words of the whole text, where no recipient is named. */
  readonly words: string | null;
  /** The text behind the line that announces the original. */
  readonly original: readonly HeaderField[];
};

/**
 * `failed` is the X-Failed-Recipients field (Exim, Gmail), which needs no sentence. Null: no report that could be
 * understood.
 */
export function readBounceText(text: string, subject: string, failed: string | null): BounceText | null {
  const all = text.slice(0, TEXT_CHARS_MAX).split('\n');
  const end = all.findIndex((line) => line !== '' && beginsOriginal(line));
  const lines = (end === -1 ? all : all.slice(0, end)).slice(0, LINES_MAX).map((line) => line.slice(0, LINE_CHARS_MAX));
  const heads = lines.map((line) => line.slice(0, SENTENCE_CHARS_MAX));
  const own = heads.findIndex((line) => FAILURE.test(line) || DELAY.test(line));
  const formal = heads.some((line) => hasForm(line));
  // A subject alone names no recipient: other text there may be a footer.
  const start = own === -1 && FAILURE.test(subject) && (formal || heads.some((line) => CODE.test(line))) ? 0 : own;
  if (start === -1 && failed === null) return null;
  const named = failed === null ? [] : addressesIn(failed);
  const said = wordsOf(lines);
  const behind = named.length > 0 ? placesOf(named, heads) : placesIn(heads, Math.max(0, start));
  const found = behind.length > 0 ? behind : placesIn(heads, 0);
  if (found.length === 0 && !formal) return null;
  return {
    recipients: found.map((place, index) => ({
      address: place.address,
      words: said.at(place, found[index + 1]?.line ?? lines.length),
    })),
    delayed:
      [subject, ...heads].some((line) => DELAY.test(line)) && ![subject, ...heads].some((line) => FINAL.test(line)),
    formal,
    coded: said.anyCode,
    words: said.overall(Math.max(0, start)),
    original: end === -1 ? [] : originalFields(all.slice(end + 1).join('\n')),
  };
}

/**
 * The remote server's words about a recipient that the report's fields name, from the report's text, where the fields
 * lack them.
 */
export function wordsFor(text: string, addresses: readonly string[], alone: boolean): string | null {
  const all = text.slice(0, TEXT_CHARS_MAX).split('\n');
  const end = all.findIndex((line) => line !== '' && beginsOriginal(line));
  const lines = (end === -1 ? all : all.slice(0, end)).slice(0, LINES_MAX).map((line) => line.slice(0, LINE_CHARS_MAX));
  const keys = addresses.map((address) => address.toLowerCase());
  const said = wordsOf(lines);
  const places = lines.flatMap((line, at) => placeAt(line.slice(0, SENTENCE_CHARS_MAX), at) ?? []);
  for (const [index, place] of places.entries()) {
    if (!keys.includes(place.address.toLowerCase())) continue;
    const next = places.slice(index + 1).find(({ address }) => !keys.includes(address.toLowerCase()));
    const words = said.at(place, next?.line ?? lines.length);
    if (words !== null && words.toLowerCase() !== place.address.toLowerCase()) return words;
  }
  return alone ? said.firstCoded() : null;
}

const TEXT_CHARS_MAX = 200_000;
const LINES_MAX = 1_000;
const LINE_CHARS_MAX = 1_000;
/** Of a line, where sentences and addresses are looked for. */
const SENTENCE_CHARS_MAX = 400;

const FAILURE =
  /(could|can|was|were|has|have|did|is|are|am|not|wasn.t|unable)\b.{0,60}\b(not be|not been|unable to|able to) (be )?(deliver|sent|send|reach)|n.t be (deliver|sent)|n.t able to deliver|not (be )?deliver|unable to deliver|undeliver|not (be )?reach|fail(ed|ure)\b|rejected|returned (mail|to sender)|has been returned|permanent|fatal error|not recogni[sz]ed|(user|recipient)s? (is )?(unknown|not known)|unknown user|no such user|n.t found at|delivery problems|mailbox (is )?(full|unavailable)|full mailbox|non remis|chec de (la )?remise|n.a pas pu être remis|unzustellbar|nicht (zu|aus)gestellt|no (se )?(ha )?(podido|pudo) entregar|non (è stato|e' stato) (possibile )?(recapita|consegna)|配信|无法|退信|退回|失败|投递|실패|не может быть доставлен|недостав|не доставлен|delivery error|aborted/i;
const DELAY =
  /(do not|don.t) need to re-?send|still undelivered|(has been|is|was) (delayed|postponed)|delayed for|will (keep|continue)( on)? (to )?try|not yet been delivered|deliver\w* (status notification: )?delay|temporar(y|ily) (failure|problem|defer)|warning: (could not|message)/i;
const FINAL =
  /permanent|given up|giving up|will not be (re)?tried|no further attempts|has expired|undeliverable|returned to sender|delivery failure notification/i;

type Place = { readonly address: string; readonly line: number; readonly rest: string };

const ADDRESS = '[^\\s<>()"\',;:\\[\\]@]{1,255}@[^\\s<>()"\',;:\\[\\]@]{1,255}';
const ALONE = new RegExp(
  `^[\\s*>-]{0,40}(?:[<"']?${ADDRESS}["']? )?[<"']?(${ADDRESS})[>"']?\\s{0,9}(?:\\([^()]{0,300}\\)|<mailto:[^<>]{0,300}>){0,2}\\s{0,9}[:;,.]?\\s*$`,
);
const BEFORE_COLON = new RegExp(
  `^\\s{0,40}<?(${ADDRESS})>?\\s{0,9}(?:\\([^()]{0,300}\\))?\\s{0,9}(?:\\.\\.\\.|:| - )\\s{0,40}(\\S.*)$`,
);
const BEFORE_DATE = new RegExp(`^\\s{0,40}<?(${ADDRESS})>? on (?:\\w{3}, )?\\d{1,2}[ /.]`);
const BEHIND_WORDS = new RegExp(`^[^<>@]{1,200}[:\\s]<(${ADDRESS})>[^<>@]{0,300}$`);
/** `Bob (bob@far.example)`, as Exchange names people. */
const BEHIND_NAME = new RegExp(`^[^<>@():]{1,100} \\((${ADDRESS})\\)\\s*$`);
const BEHIND_COLON = new RegExp(
  `^[^<>@:]{0,100}(?:address|recipients?|user|userid|mailbox|account|error-for|attempts|(?:sent|ed|message|mail) to)(?:\\(s\\)|\\(es\\))?:\\s{0,20}<?(${ADDRESS})>?\\s*$`,
  'i',
);
/** Sentences of mailers with the address within: `Your message to bob@far.example couldn't be delivered.` */
const WITHIN = new RegExp(
  [
    `\\b(?:message|mail|e-mail|deliver(?:y|ed)?)(?: addressed)? to\\s{1,9}(?:the following \\S{1,20} )?[<"']?(${ADDRESS}?)[>"']?(?:[.,]?$|[.,]? (?:could|couldn|was|wasn|has|have|is|for|because|fail|due|since)\\b)`,
    `\\bundeliverable\\s{1,9}to\\s{1,9}[<"']?(${ADDRESS})`,
    `\\baddressed to:?\\s{1,9}[<"'(]{0,2}(${ADDRESS})`,
    `\\b(?:mailbox|user|recipient|address) [<"']?(${ADDRESS})[>"']? (?:is|was|does|unknown|unavailable|not)\\b`,
    `\\[smtp:(${ADDRESS})\\]`,
    `\\bgenerated from [<"']?(${ADDRESS})`,
  ].join('|'),
  'i',
);

function placesIn(lines: readonly string[], start: number): Place[] {
  const places = new Map<string, Place>();
  for (let line = start; line < lines.length && places.size < reportRecipientsMax; line += 1) {
    const place = placeAt(lines[line] ?? '', line);
    const key = place?.address.toLowerCase() ?? '';
    if (place !== null && !places.has(key)) places.set(key, place);
  }
  // The address for help stands alone on its line, too.
  const all = [...places.values()];
  const others = all.filter(({ address }) => !HELPER.test(address));
  return others.length > 0 ? others : all;
}
const HELPER = /^(postmaster|mailer-daemon|abuse|help(desk)?|support|hostmaster)@/i;

function placeAt(text: string, line: number): Place | null {
  if (!text.includes('@')) return null;
  const [, address, rest = ''] =
    ALONE.exec(text) ??
    BEFORE_COLON.exec(text) ??
    BEFORE_DATE.exec(text) ??
    BEHIND_NAME.exec(text) ??
    BEHIND_COLON.exec(text) ??
    [];
  if (address !== undefined) return { address: trimmed(address), line, rest };
  const within = (FAILURE.test(text) ? BEHIND_WORDS.exec(text) : null) ?? WITHIN.exec(text);
  const found = within?.slice(1).find((group) => group !== undefined);
  return found === undefined ? null : { address: trimmed(found), line, rest: text };
}

function placesOf(named: readonly string[], lines: readonly string[]): Place[] {
  const places = new Map<string, Place>();
  for (const [line, text] of lines.entries()) {
    const place = placeAt(text, line);
    const key = place?.address.toLowerCase() ?? '';
    if (place !== null && !places.has(key)) places.set(key, place);
  }
  return named.map((address) => {
    const place = places.get(address.toLowerCase());
    return { address, line: place?.line ?? 0, rest: place?.rest ?? '' };
  });
}

function addressesIn(list: string): string[] {
  const found = list.slice(0, 20_000).match(new RegExp(ADDRESS, 'g')) ?? [];
  return [...new Set(found.map(trimmed))].slice(0, reportRecipientsMax);
}

function trimmed(address: string): string {
  return oneLine(address.replace(/\.{1,9}$/, ''), 600);
}

const CODE = /(?<![\d.])[45][0-5]\d(?:[ \]:;,)-]|$)|(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)/;

/** A server's own code, or an enhanced status. */
export function hasCode(text: string): boolean {
  return CODE.test(text);
}

type Words = {
  /**
   * Of one: the rest of its line and the lines below it; where these have no code, the nearest ones below that have.
   */
  at(place: Place, until: number): string | null;
  overall(start: number): string | null;
  firstCoded(): string | null;
  readonly anyCode: boolean;
};

function wordsOf(lines: readonly string[]): Words {
  const coded = lines.map((line) => CODE.test(line));
  // For each line the nearest one from there on that has a code.
  const next: number[] = new Array(lines.length + 1).fill(-1);
  for (let at = lines.length - 1; at >= 0; at -= 1) next[at] = coded[at] ? at : (next[at + 1] ?? -1);
  const codedFrom = (from: number): string => {
    const at = next[Math.min(from, lines.length)] ?? -1;
    return at === -1 ? '' : paragraph(lines, at, lines.length).join(' ');
  };
  return {
    anyCode: (next[0] ?? -1) !== -1,
    at(place, until) {
      const end = Math.max(until, place.line + 1);
      const below = paragraph(lines, place.line + 1, end);
      const own = [place.rest, ...below].join(' ');
      if (CODE.test(own)) return worded(own);
      // A sentence that names the recipient: the next one says why.
      if (place.rest === lines[place.line] && !coded.slice(place.line, end).includes(true)) {
        const behind = lines.slice(place.line + below.length + 1, end).findIndex((line) => line.trim() !== '');
        const why = behind === -1 ? [] : paragraph(lines, place.line + below.length + 1 + behind, end);
        return worded([own, ...why].join(' '));
      }
      return worded(codedFrom(place.line === 0 ? 0 : place.line + 1) || own);
    },
    overall: (start) => worded(codedFrom(0) || paragraph(lines, start, lines.length).join(' ')),
    firstCoded: () => worded(codedFrom(0)),
  };
}

function paragraph(lines: readonly string[], from: number, until: number): string[] {
  const taken: string[] = [];
  for (let at = from; at < until && taken.length < PARAGRAPH_LINES_MAX; at += 1) {
    const line = (lines[at] ?? '').trim();
    if (line === '') break;
    taken.push(line);
  }
  return taken;
}
const PARAGRAPH_LINES_MAX = 20;

function worded(text: string): string | null {
  const line = oneLine(text, replyTextMax);
  return line === '' ? null : line;
}
