// The forms in which an address, or a part of it, may stand in other people's words: patterns over normalised text
// (text-views.ts). Every quantifier is bounded, so that a long text is read in linear time. scrub.ts decides how a
// match is replaced.

export type Pattern = {
  /** Null: there is nothing to look for. Global and sticky state is the caller's to reset. */
  readonly source: RegExp | null;
  /** Text that must not stand right before and right after it; '' is the text's end. */
  readonly edges: { readonly before: RegExp; readonly after: RegExp };
  /** Found also where white space is left out. */
  readonly whole: boolean;
  /** A text in which it is found contains one of these, perhaps only when white space is left out. */
  readonly needles: readonly string[];
};

type Parts = { readonly locals: readonly string[]; readonly domains: readonly string[] };

const LETTER = /[\p{L}\p{N}]/u;
const WORD = /[\p{L}\p{N}-]/u;
const WHOLE = { before: LETTER, after: WORD };

/** As RFC 5322 folds it and as people, VERP, percent hack and scrapers write it. */
const AT =
  '\\s{0,99}(?:\\([^()]{0,64}\\)\\s{0,9})?[>"\'`»]?\\s{0,9}(?:@|[=%]|[\\[({<]\\s{0,3}(?:at|@)\\s{0,3}[\\])}>]|at)\\s{0,9}<?\\s{0,99}';
const DOT = '\\s{0,9}(?:\\.|[\\[({<]\\s{0,3}(?:\\.|dot)\\s{0,3}[\\])}>]|dot)\\s{0,9}';
/** A sub-address (RFC 5233): the server may leave it out, or put another in. */
const DETAIL = '(?:\\+[^\\s@<>"\'=%,;]{0,64})?';

function anyOf(texts: readonly string[]): string {
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  return `(?:${longestFirst.map(literally).join('|')})`;
}

function domainOf(domains: readonly string[]): string {
  return `(?:${domains.map((domain) => domain.split('.').map(literally).join(DOT)).join('|')})`;
}

/** The whole address, in either order: `user@host`, and as UUCP and SRS write it `host!user`, `host=user`. */
export function wholeAddress({ locals, domains }: Parts): Pattern {
  const local = `["'\`]?${anyOf(locals)}${DETAIL}["'\`]?`;
  if (domains.length === 0)
    return patternOf(local, { before: /[\p{L}\p{N}._+-]/u, after: /[\p{L}\p{N}._+@-]/u }, locals);
  const domain = domainOf(domains);
  return patternOf(`${local}${AT}${domain}|${domain}[!=/]${local}`, WHOLE, locals, true);
}

/** The local part at whatever host. */
export function localAnywhere(locals: readonly string[]): Pattern {
  return patternOf(
    `["'\`]?${anyOf(locals)}${DETAIL}["'\`]?@[^\\s<>()\\[\\],;:"'@]{1,255}`,
    { ...WHOLE, after: /(?!)/ },
    locals,
  );
}

/** The domain, not a host in it: which server replied, the notice says anyway. */
export function domainAlone(domains: readonly string[]): Pattern {
  const needles = domains.map((domain) => domain.split('.')[0] ?? '');
  return patternOf(`${domainOf(domains)}(?!\\.[\\p{L}\\p{N}])`, { before: /[\p{L}\p{N}.-]/u, after: WORD }, needles);
}

/**
 * The local part by itself. A word of the language that replies are written in is taken for it only where it is set off
 * as an address is: "user", "mail" and "info" are local parts too.
 */
export function localAlone(locals: readonly string[]): Pattern {
  const distinctive = locals.filter((local) => local.length > 2 && (/[0-9._+-]/.test(local) || !COMMON.has(local)));
  const enclosed = `(?<=[<'"(\`\\[{=|])${anyOf(locals)}(?=[>'")\`\\]}|;,]|$)`;
  const standing = distinctive.length === 0 ? '' : `|${anyOf(distinctive)}${DETAIL}`;
  const named = `(?<=\\b(?:user|mailbox|account|recipient|alias|login|user ?name|uid)[:=]?\\s)${anyOf(locals)}`;
  return patternOf(`${enclosed}|${named}${standing}`, { before: LETTER, after: LETTER }, locals);
}

/** Addresses that stay. */
export function addressAlone(addresses: readonly string[]): Pattern {
  const texts = addresses.filter((address) => address.includes('@'));
  if (texts.length === 0) return { source: null, edges: WHOLE, whole: true, needles: [] };
  // Not where it is the beginning of another: bob@corp.example.local is none of bob@corp.example.
  return patternOf(`${anyOf(texts)}(?!\\.[\\p{L}\\p{N}])`, { before: /[\p{L}\p{N}._+-]/u, after: WORD }, texts, true);
}

function patternOf(source: string, edges: Pattern['edges'], needles: readonly string[], whole = false): Pattern {
  return {
    source: new RegExp(source, 'gu'),
    edges,
    whole,
    needles,
  };
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Words of replies that are local parts as well. */
const COMMON: ReadonlySet<string> = new Set(
  `abuse accept access account accounts action address admin again all allowed and any are authentication bad because
  been blocked bounce box but can cannot check client closed code command connection contact content could daemon data
  database delivered delivery denied disabled does domain email error exist exists failed failure for found from full
  group has have help home host info information internal invalid job known later less limit list local lookup mail
  mailbox mailer may message messages mta name news no nobody none not notice off only out over owner people policy post
  postmaster queue quota read recipient rejected relay reply report request root route rule security see sender server
  service smtp some spam stop such support system table temporary test than the this time transport try unable
  unavailable unknown user users valid virtual was will with work you your`.split(/\s+/),
);
