// Reports in words (qmail, Exim, Exchange before 2007, Domino, Smail and many a home-made one): whom they name and what they say. It works
// by shape, not by product: a sentence that tells of a failure, and after it addresses that stand alone or in front of a colon.
// Total and linear: each line is looked at once and cut short. Whether the text is a report at all is asked by the caller too.

import { replyTextMax, reportRecipientsMax } from './limits.ts';
import { oneLine } from './notice-encoding.ts';
import type { HeaderField } from './receipt.ts';
import { originalFields } from './remote-dsn-fields.ts';

export type BounceText = {
  readonly recipients: readonly { readonly address: string; readonly words: string | null }[];
  /** It will be tried again, and the sender has nothing to do. */
  readonly delayed: boolean;
  /** What follows the line that says that the original follows. */
  readonly original: readonly HeaderField[];
};

/** `failed` is the X-Failed-Recipients field (Exim, Gmail), which needs no sentence. Null: no report that could be understood. */
export function readBounceText(text: string, failed: string | null): BounceText | null {
  const all = text.slice(0, TEXT_CHARS_MAX).split('\n');
  const end = all.findIndex((line) => ORIGINAL_FOLLOWS.test(line.slice(0, LINE_CHARS_MAX)));
  const lines = (end === -1 ? all : all.slice(0, end)).slice(0, LINES_MAX).map((line) => line.slice(0, LINE_CHARS_MAX));
  const start = lines.findIndex((line) => FAILURE.test(line) || DELAY.test(line));
  if (start === -1 && failed === null) return null;
  const named = failed === null ? [] : addressesIn(failed);
  const found = named.length > 0 ? placesOf(named, lines) : placesIn(lines, Math.max(0, start));
  if (found.length === 0) return null;
  const report = lines.join('\n');
  return {
    recipients: found.map((place, index) => ({
      address: place.address,
      words: wordsAt(lines, place, found[index + 1]?.line ?? lines.length),
    })),
    delayed: DELAY.test(report) && !FINAL.test(report),
    original: end === -1 ? [] : originalFields(all.slice(end + 1).join('\n')),
  };
}

const TEXT_CHARS_MAX = 200_000;
const LINES_MAX = 2_000;
const LINE_CHARS_MAX = 1_000;

const ORIGINAL_FOLLOWS =
  /^[\s>]*[-=_*]{2,}[\s>]*(this is a copy|below this line|(the )?(original|returned|unsent|undelivered) (message|mail)|copy of|message (header|text|body)|the (body|header)|body of|return address|unsent|original-? ?nachricht)|^\s*(original message headers?|the original message follows|your (original )?message (follows|reads)|below is (a|the) copy|.{0,30}attached below.{0,30}original)\b.*:?\s*$|^Received: (from|by|\()/i;

const FAILURE =
  /(could|can|was|were|has|have|did|is|are|am|not|wasn.t|unable)\b.{0,60}\b(not be|not been|unable to|able to) (be )?(deliver|sent|send|reach)|not (be )?deliver|unable to deliver|undeliver|not (be )?reach|fail(ed|ure)\b|rejected|returned (mail|to sender)|permanent|fatal error|not recogni[sz]ed|user unknown|unknown user|mailbox (is )?(full|unavailable)|non remis|chec de (la )?remise|unzustellbar|nicht (zu|aus)gestellt|no (se )?(ha )?(podido|pudo) entregar|non (è stato|e' stato) (possibile )?(recapita|consegna)|配信|delivery error/i;
const DELAY =
  /(do not|don.t) need to re-?send|still undelivered|(has been|is|was) delayed|delayed for|will (keep|continue)( on)? (to )?try|not yet been delivered|deliver\w* (status notification: )?delay|temporar(y|ily) (failure|problem|defer)|warning: (could not|message)/i;
const FINAL =
  /permanent|given up|giving up|will not be (re)?tried|no further attempts|has expired|undeliverable|returned to sender/i;

type Place = { readonly address: string; readonly line: number; readonly rest: string };

const ADDRESS = '[^\\s<>()"\',;:\\[\\]@]{1,255}@[^\\s<>()"\',;:\\[\\]@]{1,255}';
const ALONE = new RegExp(
  `^[\\s*>-]{0,40}[<"']?(${ADDRESS})[>"']?\\s{0,9}(?:\\([^()]{0,300}\\)|<mailto:[^<>]{0,300}>){0,2}\\s{0,9}[:;,.]?\\s*$`,
);
const BEFORE_COLON = new RegExp(
  `^\\s{0,40}<?(${ADDRESS})>?\\s{0,9}(?:\\([^()]{0,300}\\))?\\s{0,9}(?:\\.\\.\\.|:)\\s{0,40}(\\S.*)$`,
);
const BEFORE_DATE = new RegExp(`^\\s{0,40}<?(${ADDRESS})>? on (?:\\w{3}, )?\\d{1,2}[ /.]`);
const BEHIND_WORDS = new RegExp(`^[^<>@]{1,200}[:\\s]<(${ADDRESS})>[^<>@]{0,300}$`);
const BEHIND_COLON = new RegExp(
  `^[^<>@:]{1,100}(?:address|recipients?|user|mailbox|account|(?:sent|ed|message|mail) to)(?:\\(s\\)|\\(es\\))?:\\s{0,20}<?(${ADDRESS})>?\\s*$`,
  'i',
);

function placesIn(lines: readonly string[], start: number): Place[] {
  const places: Place[] = [];
  for (let line = start; line < lines.length && places.length < reportRecipientsMax; line += 1) {
    const place = placeAt(lines[line] ?? '', line);
    if (place !== null && !places.some(({ address }) => address.toLowerCase() === place.address.toLowerCase()))
      places.push(place);
  }
  // Whom to write to for help stands alone on its line, too.
  const others = places.filter(({ address }) => !HELPER.test(address));
  return others.length > 0 ? others : places;
}
const HELPER = /^(postmaster|mailer-daemon|abuse|help(desk)?|support|hostmaster)@/i;

function placeAt(text: string, line: number): Place | null {
  if (!text.includes('@')) return null;
  const behind = FAILURE.test(text) ? BEHIND_WORDS.exec(text) : null;
  const [, address, rest = ''] =
    ALONE.exec(text) ?? BEFORE_COLON.exec(text) ?? BEFORE_DATE.exec(text) ?? behind ?? BEHIND_COLON.exec(text) ?? [];
  if (address === undefined) return null;
  return { address: trimmed(address), line, rest: behind === null ? rest : text };
}

function placesOf(named: readonly string[], lines: readonly string[]): Place[] {
  return named.map((address) => {
    const key = address.toLowerCase();
    const line = lines.findIndex((text) => placeAt(text, 0)?.address.toLowerCase() === key);
    return { address, line: line === -1 ? 0 : line, rest: placeAt(lines[line] ?? '', line)?.rest ?? '' };
  });
}

function addressesIn(list: string): string[] {
  const found = list.slice(0, 20_000).match(new RegExp(ADDRESS, 'g')) ?? [];
  return [...new Set(found.map(trimmed))].slice(0, reportRecipientsMax);
}

function trimmed(address: string): string {
  return oneLine(address.replace(/\.+$/, ''), 600);
}

const CODE = /(?<![\d.])[45][0-5]\d(?:[ -]|$)|(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)/;

/** What is said of one: the rest of its line and the lines below it; where these have no code, the nearest ones below that have. */
function wordsAt(lines: readonly string[], place: Place, until: number): string | null {
  const below = paragraph(lines, place.line + 1, Math.max(until, place.line + 1));
  const own = [place.rest, ...below].join(' ');
  if (CODE.test(own) || place.line === 0) return worded(CODE.test(own) ? own : coded(lines, 0) || own);
  return worded(coded(lines, place.line + 1) || own);
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

function coded(lines: readonly string[], from: number): string {
  const at = lines.findIndex((line, index) => index >= from && CODE.test(line));
  return at === -1 ? '' : paragraph(lines, at, lines.length).join(' ');
}

function worded(text: string): string | null {
  const line = oneLine(text, replyTextMax);
  return line === '' ? null : line;
}
