// Keeps the routed address out of notices (RFC 3464 §4.2): the sender may see only the address that was written to.
// Works on what others wrote (replies, header fields, subjects); our own words never hold it in the first place.

import { domainToASCII, domainToUnicode } from 'node:url';
import { octetsOf, oneLine } from './notice-encoding.ts';
import type { NoticeInput, NoticeRecipient } from './notice-input.ts';

const ADDRESS_MAX = 900;

export type Scrubber = {
  /** For text that belongs to the message as a whole. */
  readonly text: (text: string) => string;
  /** The same for octets (Latin-1 strings). */
  readonly octets: (octets: string) => string;
  /** For what the next hop or we ourselves noted about one recipient: servers echo addresses in many forms. */
  readonly remark: (recipient: NoticeRecipient, text: string) => string;
};

type Rule = { readonly target: Target; readonly pattern: RegExp; readonly octetPattern: RegExp };
type Target = {
  readonly address: string;
  readonly forwardPath: string;
  readonly locals: readonly string[];
  readonly domains: readonly string[];
};

export function scrubber(input: NoticeInput): Scrubber {
  // Who runs the mail system sees where it sends.
  if (input.kind === 'postmaster') return { text: same, octets: same, remark: (_, given) => given };
  // An address that the sender knows as his own, ours, or one he wrote to is no secret in his own header section.
  const known = new Set(
    [input.to.address, input.from, input.postmaster, ...input.recipients.map((r) => r.forwardPath)].map((a) =>
      a.toLowerCase(),
    ),
  );
  const all = input.recipients.map(targetOf).filter((target) => target !== null);
  const rules = all.filter((target) => !known.has(target.address.toLowerCase())).map(ruleOf);
  const text = (given: string) =>
    rules.reduce((now, { pattern, target }) => now.replace(pattern, () => target.forwardPath), given);
  return {
    text,
    octets: (given) =>
      rules.reduce(
        (now, { octetPattern, target }) => now.replace(octetPattern, () => octetsOf(target.forwardPath)),
        given,
      ),
    remark: (recipient, given) => {
      const target = targetOf(recipient);
      const scrubbed = text(
        target === null
          ? given
          : withoutEchoes(
              target,
              given.replace(ruleOf(target).pattern, () => target.forwardPath),
              known,
            ),
      );
      return recipient.reported ? withoutAddresses(recipient, scrubbed, known) : scrubbed;
    },
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
  return {
    address,
    forwardPath: oneLine(forwardPath, ADDRESS_MAX), // it goes where line ends and controls were already looked for
    locals: distinct([local, local.replace(/^"(.*)"$/s, '$1').replace(/\\(.)/gs, '$1')]),
    domains: distinct([domain, domainToASCII(domain), domainToUnicode(domain)]),
  };
}

function ruleOf(target: Target): Rule {
  return {
    target,
    pattern: new RegExp(addressSource(target.locals, target.domains), 'giu'),
    octetPattern: new RegExp(
      addressSource(target.locals.flatMap(octetForms), target.domains.flatMap(octetForms)),
      'gi',
    ),
  };
}

/** In UTF-8, and as older mailers write it. */
function octetForms(text: string): string[] {
  return /^[\0-\xff]*$/.test(text) ? distinct([octetsOf(text), text]) : [octetsOf(text)];
}

/** The whole address, folded at its sign or not (RFC 5322 §4.4), also as VERP, xtext, URLs and Q encoding write its sign: `user=host`, `user+40host`, `user%40host`, `user=40host`. */
function addressSource(locals: readonly string[], domains: readonly string[]): string {
  const local = `(?<![A-Za-z0-9._+-])"?(?:${locals.map(literally).join('|')})"?`;
  if (domains.length === 0) return `${local}(?![A-Za-z0-9._+@-])`;
  return `${local}(?:\\s{0,99}@\\s{0,99}|%40|=40|\\+40|[=%])(?:${domains.map(literally).join('|')})(?![A-Za-z0-9-])`;
}

/** What a server further on said: each address in it is one that the sender did not write to. */
function withoutAddresses({ forwardPath }: NoticeRecipient, given: string, known: ReadonlySet<string>): string {
  const shown = oneLine(forwardPath, ADDRESS_MAX);
  return given.replace(/(?:"[^"]{1,255}"|[^\s<>()[\],;:"'@]{1,255})@[^\s<>()[\],;:"'@]{1,255}/g, (found) =>
    known.has(found.replace(/[.]+$/, '').toLowerCase()) ? found : shown,
  );
}

/** `user@mailbox-host.example`, `<user>` and the like: the local part of the routed address in a server's own words. */
function withoutEchoes(target: Target, given: string, known: ReadonlySet<string>): string {
  const locals = target.locals.map(literally).join('|');
  const atHost = new RegExp(`(?<![A-Za-z0-9])"?(?:${locals})"?@[^\\s<>()\\[\\],;:"'@]+`, 'giu');
  const withoutHosts = given.replace(atHost, (found) =>
    known.has(found.replace(/[.]+$/, '').toLowerCase()) ? found : target.forwardPath,
  );
  const shown = target.forwardPath.slice(0, target.forwardPath.lastIndexOf('@')) || target.forwardPath;
  if (target.locals.some((local) => local.toLowerCase() === shown.toLowerCase())) return withoutHosts;
  const enclosed = new RegExp(`(?<=[<'"(\`])(?:${locals})(?=[>'")\`])`, 'giu');
  const withoutEnclosed = withoutHosts.replace(enclosed, () => shown);
  // A bare word is taken for the local part only where it can hardly be one of the language: "user", "mail" and "info" can.
  const bare = target.locals.filter((local) => /[0-9._+-]/.test(local));
  if (bare.length === 0) return withoutEnclosed;
  const standing = new RegExp(
    `(?<![\\p{L}\\p{N}._+@-])(?:${bare.map(literally).join('|')})(?![\\p{L}\\p{N}_+@-])`,
    'giu',
  );
  return withoutEnclosed.replace(standing, () => shown);
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts.filter((text) => text !== ''))];
}
