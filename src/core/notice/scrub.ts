// Keeps the routed address out of notices (RFC 3464 §4.2): the sender may see only the address that the sender wrote
// to. Called for text from others (replies, header fields, subjects); our own words never contain it. It searches the
// text in every form in which an address is written (text-views.ts), and never replaces an address that the sender
// knows.

import { domainToASCII, domainToUnicode } from 'node:url';
import { plainText } from '#core/message/field-text.ts';
import { encodedWords, isAscii, octetsOf, oneLine } from '#core/message/text-encoding.ts';
import type { NoticeInput, NoticeRecipient } from './input.ts';
import { addressAlone, domainAlone, localAlone, localAnywhere, type Pattern, wholeAddress } from './scrub-patterns.ts';
import { endOf, normalised, startOf, type View, viewsOf } from './text-views.ts';

const ADDRESS_MAX = 900;
/** A replacement may join its surroundings into an address again, but not without end. */
const ROUNDS_MAX = 3;

export type Scrubber = {
  /**
   * For text that belongs to the message as a whole, and for the name of the host that replied: a name is no address.
   */
  readonly text: (text: string) => string;
  /** The same for octets (Latin-1 strings). */
  readonly octets: (octets: string) => string;
  /** For notes about one recipient, of the next hop's or our own: servers echo addresses in many forms. */
  readonly remark: (recipient: NoticeRecipient, text: string) => string;
};

type Target = {
  readonly forwardPath: string;
  /** Normalised, each in its forms. */
  readonly locals: readonly string[];
  readonly domains: readonly string[];
};
/** How matches of a pattern are replaced; `known`: addresses that stay. */
type Rule = { readonly pattern: Pattern; readonly by: string };
type Terms = { readonly rules: readonly Rule[]; readonly known: Pattern; readonly octets: boolean };

export function scrubber(input: NoticeInput): Scrubber {
  // The operator may see where the mail system sends.
  if (input.kind === 'postmaster') return { text: same, octets: same, remark: (_, given) => given };
  // In the sender's own header section three addresses are no secret: the sender's, ours, and those that the sender
  // wrote to.
  const known = [input.to.address, input.from, input.postmaster, ...input.recipients.map((r) => r.forwardPath)];
  const knownKeys = new Set(known.map((address) => address.toLowerCase()));
  const isSecret = ({ routedAddress }: NoticeRecipient) => !knownKeys.has(routedAddress.trim().toLowerCase());
  const keep = addressAlone(known.map(normalised));
  const targets = input.recipients.filter(isSecret).flatMap((each) => targetOf(each) ?? []);
  const whole = targets.map((target) => ({ pattern: wholeAddress(target), by: target.forwardPath }));
  const remark = (recipient: NoticeRecipient, given: string) => {
    const own = targetOf(recipient);
    const rules = [...whole, ...(own === null ? [] : echoes(own, input, isSecret(recipient)))];
    const scrubbed = scrubbedOf(given, { rules, known: keep, octets: false });
    return recipient.reported ? withoutAddresses(recipient, scrubbed, keep) : scrubbed;
  };
  return {
    text: (given) => scrubbedOf(given, { rules: whole, known: keep, octets: false }),
    octets: (given) => scrubbedOf(given, { rules: whole, known: keep, octets: true }),
    remark,
  };
}

const same = (given: string) => given;

/** Null where the sender's address is the routed one: there is nothing to hide then. */
function targetOf({ routedAddress, forwardPath }: NoticeRecipient): Target | null {
  const address = routedAddress.trim();
  if (address === '' || address.toLowerCase() === forwardPath.toLowerCase()) return null;
  const at = address.lastIndexOf('@');
  const local = at < 0 ? address : address.slice(0, at);
  const domain = at < 0 ? '' : address.slice(at + 1);
  const bare = local.replace(/^"(.*)"$/s, '$1').replace(/\\(.)/gs, '$1');
  return {
    forwardPath: oneLine(forwardPath, ADDRESS_MAX), // it goes where line ends and controls were already looked for
    locals: distinct([bare, local, bare.replace(/\+.*$/s, '')].map(normalised)),
    domains: distinct([domain, domainToASCII(domain), domainToUnicode(domain)].map(normalised)),
  };
}

/**
 * Other forms in which a server repeats the address that it was given: its local part at another host or alone, its
 * domain alone.
 */
function echoes(target: Target, input: NoticeInput, secret: boolean): Rule[] {
  const { forwardPath, locals, domains } = target;
  const at = forwardPath.lastIndexOf('@');
  const shownLocal = at > 0 ? forwardPath.slice(0, at) : forwardPath;
  const shownDomain = forwardPath.slice(at + 1);
  const knownDomains = [
    ...[input.to.address, input.from, input.postmaster, forwardPath].map((each) =>
      each.slice(each.lastIndexOf('@') + 1),
    ),
    input.reportingMta,
  ].flatMap((each) => distinct([each, domainToASCII(each)].map(normalised)));
  const hidden = domains.filter((each) => !knownDomains.some((known) => known === each || known.endsWith(`.${each}`)));
  return [
    ...(secret ? [] : [{ pattern: wholeAddress(target), by: forwardPath }]),
    { pattern: localAnywhere(locals), by: forwardPath },
    ...(locals.includes(normalised(shownLocal)) ? [] : [{ pattern: localAlone(locals), by: shownLocal }]),
    ...(hidden.length < domains.length ? [] : [{ pattern: domainAlone(hidden), by: shownDomain }]),
  ];
}

function scrubbedOf(given: string, terms: Terms): string {
  let text = given;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const next = inViews(inEncodedText(text, terms), terms);
    if (next === text) return text;
    text = next;
  }
  return text;
}

type Range = { readonly start: number; readonly end: number; readonly by: string };

/** Every finding in every view is replaced in the source, the longer one first where two overlap. */
function inViews(source: string, { rules, known, octets }: Terms): string {
  if (source === '' || rules.length === 0) return source;
  const needles = rules.flatMap(({ pattern }) => pattern.needles);
  const views = viewsOf(source, octets, needles);
  const kept = views.flatMap((view) => rangesIn(view, known, ''));
  const found = views.flatMap((view) => rules.flatMap(({ pattern, by }) => rangesIn(view, pattern, by)));
  let out = '';
  let next = 0;
  for (const { start, end, by } of apart(found, kept)) {
    out += source.slice(next, start) + (octets ? octetsOf(by) : by);
    next = end;
  }
  return out + source.slice(next);
}

/** In order, none over another and none over what is kept; of those that overlap the longer one. */
function apart(found: Range[], kept: Range[]): Range[] {
  const chosen: Range[] = [];
  const inOrder = (a: Range, b: Range) => a.start - b.start || b.end - a.end;
  const stays = kept.sort(inOrder);
  let at = 0;
  let keptTo = 0;
  for (const range of found.sort(inOrder)) {
    while (at < stays.length && (stays[at]?.start ?? 0) <= range.start) {
      keptTo = Math.max(keptTo, stays[at]?.end ?? 0);
      at += 1;
    }
    if (range.start < keptTo || (stays[at]?.start ?? Number.POSITIVE_INFINITY) < range.end) continue;
    const last = chosen.at(-1);
    if (last === undefined || range.start >= last.end) chosen.push(range);
    else if (range.end - range.start > last.end - last.start) chosen[chosen.length - 1] = range;
  }
  return chosen;
}

function rangesIn(view: View, { source, edges, whole }: Pattern, by: string): Range[] {
  if (source === null || (view.dense && !whole)) return [];
  const ranges: Range[] = [];
  source.lastIndex = 0;
  for (let found = source.exec(view.text); found !== null; found = source.exec(view.text)) {
    const from = found.index;
    const to = from + found[0].length;
    if (found[0] === '' || !isSetOff(view, from, to, edges)) {
      source.lastIndex = from + 1;
      continue;
    }
    ranges.push({ start: startOf(view, from), end: endOf(view, to - 1), by });
  }
  return ranges;
}

/**
 * Nothing that would make it a part of something longer stands right beside it; white space that the view left out sets
 * off too.
 */
function isSetOff(view: View, from: number, to: number, edges: Pattern['edges']): boolean {
  const { text } = view;
  const before = from > 0 && endOf(view, from - 1) === startOf(view, from) ? text.charAt(from - 1) : '';
  const after = to < text.length && endOf(view, to - 1) === startOf(view, to) ? text.charAt(to) : '';
  return !edges.before.test(before) && !edges.after.test(after);
}

/** Base64, by itself and in encoded words (RFC 2047): looked at decoded, and written anew where something was found. */
function inEncodedText(source: string, terms: Terms): string {
  if (terms.rules.length === 0) return source;
  const words = source.replace(/(?:=\?[\w*-]{1,40}\?[bq]\?[^?\r\n]{0,2000}\?=[ \t\r\n]{0,9})+/gi, (run) => {
    const decoded = plainText(run);
    const scrubbed = inViews(decoded, { ...terms, octets: false });
    return scrubbed === decoded ? run : `${encodedWords(scrubbed)}${/\s*$/.exec(run)?.[0] ?? ''}`;
  });
  return words.replace(/(?:[A-Za-z0-9+/_-]{16,}={0,2}\s{0,4})+/g, (run) => {
    const digits = run.replace(/[\s=]/g, '');
    const hidden = [0, 1, 2, 3].some((skip) => {
      const decoded = Buffer.from(digits.slice(skip), 'base64').toString('latin1');
      return mayHold(decoded, terms) && inViews(decoded, { ...terms, octets: true }) !== decoded;
    });
    if (!hidden) return run;
    const shown = Buffer.from(terms.rules[0]?.by ?? '').toString('base64');
    return `${shown}${/\s*$/.exec(run)?.[0] ?? ''}`;
  });
}

/** Most Base64 is an attachment, and looking at it in every form takes long. */
function mayHold(decoded: string, { rules }: Terms): boolean {
  const lower = decoded.toLowerCase();
  const needles = rules.flatMap(({ pattern }) => pattern.needles);
  return needles.some((needle) => (isAscii(needle) ? lower.includes(needle) : decoded.length < UNSURE_MAX));
}
const UNSURE_MAX = 4_096;

/** A server's words from beyond the next hop: each address in them is one that the sender did not write to. */
function withoutAddresses({ forwardPath }: NoticeRecipient, given: string, known: Pattern): string {
  const anyone = /(?:"[^"]{1,255}"|[^\s<>()[\],;:"'@]{1,255})@[^\s<>()[\],;:"'@]{1,255}/g;
  const pattern: Pattern = {
    source: anyone,
    edges: { before: /(?!)/, after: /(?!)/ },
    whole: false,
    needles: ['@'],
  };
  return inViews(given, { rules: [{ pattern, by: oneLine(forwardPath, ADDRESS_MAX) }], known, octets: false });
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts.filter((text) => text !== ''))];
}
