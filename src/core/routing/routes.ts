// Which route takes a forward-path. The routes are compiled once into tables by key, so that a look-up costs the same
// among ten and among a million. It sends nothing, never looks at content, and never decides what an unmatched
// forward-path means.

import type { ActionSettings, RouteSettings } from '#config/settings.ts';
import type { Direction } from '#core/delivery/delivery.ts';
import { type Mailbox, mailboxKey, parseMailbox } from '#core/message/address.ts';
import { domainKeyOf } from '#core/message/domain-key.ts';

/** A match, read. Local parts are lower-cased for comparison, domains are A-labels. */
export type Match =
  /** `user@domain`, which takes `user+label@domain` too; one that has a label itself takes only itself. */
  | { readonly kind: 'address'; readonly localKey: string; readonly domainKey: string }
  | { readonly kind: 'domain'; readonly domainKey: string }
  /** `*@.domain`: every sub-domain at any depth, not the domain itself. */
  | { readonly kind: 'sub-domains'; readonly domainKey: string }
  | { readonly kind: 'all' };

export type Resolved = {
  readonly route: number;
  readonly actions: readonly ActionSettings[];
  /** For the first action alone: copies do not fall back. */
  readonly fallback: string | null;
};
export type RouteTable = {
  /** The first route in the order of the file that takes the forward-path, or null. */
  resolve(forwardPath: Mailbox, direction: Direction): Resolved | null;
};

export function compileRoutes(routes: readonly RouteSettings[]): RouteTable {
  const tables = { inbound: new Map<string, number>(), outbound: new Map<string, number>() };
  routes.forEach((route, index) => {
    for (const text of route.match) {
      const match = parseMatch(text);
      if (match === null) throw new Error(`routes[${index}].match was not validated: ${JSON.stringify(text)}`);
      const table = tables[route.direction];
      const key = matchKey(match);
      if (!table.has(key)) table.set(key, index); // an equal match later in the file can never win
    }
  });
  return {
    resolve(forwardPath, direction) {
      const table = tables[direction];
      let first = Number.POSITIVE_INFINITY;
      for (const key of candidateKeys(forwardPath)) first = Math.min(first, table.get(key) ?? Number.POSITIVE_INFINITY);
      const route = routes[first];
      return route === undefined ? null : { route: first, actions: route.to, fallback: route.fallback };
    },
  };
}

/** Every key under which a route that takes the forward-path can stand: as many as the domain has labels, and four. */
function* candidateKeys(forwardPath: Mailbox): Generator<string> {
  const { domainKey } = forwardPath;
  const localKey = localKeyOf(forwardPath);
  yield `${localKey}@${domainKey}`;
  const label = localKey.indexOf('+');
  if (label > 0) yield `${localKey.slice(0, label)}@${domainKey}`;
  yield `@${domainKey}`;
  if (!domainKey.startsWith('[')) {
    // an address literal has dots but no parents
    for (let dot = domainKey.indexOf('.'); dot !== -1; dot = domainKey.indexOf('.', dot + 1))
      yield `@${domainKey.slice(dot)}`;
  }
  yield '*';
}

/** Every key under which a match can stand that takes all that this one takes: its own first. */
export function coveringKeys(match: Match): readonly string[] {
  if (match.kind === 'all') return ['*'];
  const own = matchKey(match);
  const label = match.kind === 'address' ? match.localKey.indexOf('+') : -1;
  const withoutLabel =
    match.kind === 'address' && label > 0 ? [`${match.localKey.slice(0, label)}@${match.domainKey}`] : [];
  const whole = match.kind === 'address' ? [`@${match.domainKey}`] : [];
  const labels = match.domainKey.split('.');
  const above = labels.slice(1).map((_, index) => `@.${labels.slice(index + 1).join('.')}`);
  return [own, ...withoutLabel, ...whole, ...above, '*'];
}

// No match has an empty local part, so `@domain` is free for the domain's own key.
function matchKey(match: Match): string {
  switch (match.kind) {
    case 'address':
      return `${match.localKey}@${match.domainKey}`;
    case 'domain':
      return `@${match.domainKey}`;
    case 'sub-domains':
      return `@.${match.domainKey}`;
    case 'all':
      return '*';
  }
}

/** Reads a match as the configuration writes it; null where it is none. */
export function parseMatch(text: string): Match | null {
  if (text === '*') return { kind: 'all' };
  const at = text.lastIndexOf('@');
  if (at < 1) return null;
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  if (local === '*') {
    const subDomains = domain.startsWith('.');
    const domainKey = domainKeyOf(subDomains ? domain.slice(1) : domain);
    if (domainKey === null) return null;
    return { kind: subDomains ? 'sub-domains' : 'domain', domainKey };
  }
  const mailbox = parseMailbox(text);
  const domainKey = domainKeyOf(domain);
  if (mailbox === null || mailbox.localPart === '' || domainKey === null) return null;
  // An unquoted * in a local part is meant as a pattern, and ours has none there.
  if (local.includes('*') && !local.startsWith('"')) return null;
  return { kind: 'address', localKey: localKeyOf(mailbox), domainKey };
}

/**
 * Local parts are compared without regard to case: RFC 5321 §2.4 leaves it to the receiving host, which we stand for,
 * and no mailbox of ours should be missed for a capital letter. The address that is sent on keeps its case.
 */
function localKeyOf(mailbox: Mailbox): string {
  const key = mailboxKey(mailbox);
  return key.slice(0, key.length - mailbox.domainKey.length - 1);
}
