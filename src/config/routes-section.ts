// The routes of the configuration: what they may match, and what their actions may say.
// DESIGN §2.13: the first action answers to the sender, every further one is a copy.

import { parseMatch } from '#core/routing/routes.ts';
import {
  boolean,
  list,
  type Mistakes,
  nearest,
  object,
  oneOf,
  oneOrMore,
  optional,
  type Reader,
  required,
  text,
} from './fields.ts';
import { nextHopName } from './next-hops.ts';
import { ADDRESS } from './sections.ts';
import type { ActionSettings, NextHopSettings, ReturnPathMode, RouteSettings } from './settings.ts';
import { normalMatch } from './values.ts';

export type RouteContext = {
  /** The next hops of the file, whether or not their own sections are right. */
  readonly names: readonly string[];
  /** The same as settings, and the domains we receive for, where they could be read. */
  readonly nextHops: Readonly<Record<string, NextHopSettings>> | undefined;
  readonly domains: readonly string[] | undefined;
};

export function readRoute({ names, nextHops, domains }: RouteContext): Reader<RouteSettings> {
  const match = text(
    normalMatch,
    'match',
    "user@example.com, *@example.com, *@.example.com (its sub-domains), or * where direction is 'outbound'",
  );
  const known = new Set(domains);
  const read = object({
    match: required(oneOrMore(match, 'match')),
    direction: optional(oneOf(['inbound', 'outbound'] as const), 'inbound'),
    to: required(
      list(
        readAction(names, (via) => nextHops?.[via]?.kind),
        'action',
      ),
    ),
    fallback: optional<string | null>(nextHopName(names), null),
  });
  return (value, at, mistake) => {
    const route = read(value, at, mistake);
    if (route === undefined) return undefined;
    const several = Array.isArray((value as { match: unknown }).match);
    let whole = furtherActionsAreCopies(route.to, `${at}.to`, mistake);
    route.match.forEach((each, index) => {
      const path = several ? `${at}.match[${index}]` : `${at}.match`;
      if (route.direction === 'inbound' && domains && !canBeOurs(each, known, path, mistake)) whole = false;
    });
    const kindOf = (via: string) => nextHops?.[via]?.kind;
    if (!copiesAreKept(route.to, kindOf, `${at}.to`, mistake)) whole = false;
    if (!fallbackCanHelp(route, kindOf, `${at}.fallback`, mistake)) whole = false;
    return whole ? route : undefined;
  };
}

/** Inbound mail comes for our domains and their sub-domains alone: SES receives for no others. */
function canBeOurs(match: string, domains: ReadonlySet<string>, at: string, mistake: Mistakes): boolean {
  const parsed = parseMatch(match);
  if (parsed === null) return false;
  if (parsed.kind === 'all') {
    mistake(at, "'*' alone would take mail for every domain", "'*@' and a domain, or direction: 'outbound'");
    return false;
  }
  const labels = parsed.domainKey.split('.');
  if (labels.some((_, index) => domains.has(labels.slice(index).join('.')))) return true;
  const near = nearest(parsed.domainKey, [...domains].slice(0, 1000));
  mistake(
    at,
    `we do not receive for ${parsed.domainKey}`,
    near ?? `${parsed.domainKey} among domains, or a match in one of them`,
  );
  return false;
}

function readAction(names: readonly string[], kindOf: KindOf): Reader<ActionSettings> {
  const read = object({
    via: required(nextHopName(names)),
    address: optional<string | null>(ADDRESS, null),
    copy: optional(boolean, false),
    returnPath: optional<ReturnPathMode | null>(oneOf(['keep', 'token', 'srs'] as const), null),
  });
  return (value, at, mistake) => {
    const action = read(value, at, mistake);
    return action && { ...action, returnPath: returnPathOf(action, kindOf(action.via)) };
  };
}

/**
 * DESIGN decision 11: mail that goes on to another address may fail there for reasons that its sender must hear from us, and SPF must not speak against us
 * there. SES has return paths of its own, and what refuses or discards needs none.
 */
function returnPathOf(
  { returnPath, address }: { readonly returnPath: ReturnPathMode | null; readonly address: string | null },
  kind: NextHopSettings['kind'] | undefined,
): ReturnPathMode {
  if (kind !== 'smtp' && kind !== 'lmtp') return 'keep';
  return returnPath ?? (address === null ? 'keep' : 'token');
}

/** DESIGN §2.13: the first action answers to the sender, so only the others may, and must, be copies. */
function furtherActionsAreCopies(actions: readonly ActionSettings[], at: string, mistake: Mistakes): boolean {
  let whole = true;
  actions.forEach((action, index) => {
    if (index === 0 && action.copy) {
      mistake(
        `${at}[0].copy`,
        'the first action answers to the sender and can be no copy',
        'copy on the further actions alone',
      );
      whole = false;
    }
    if (index > 0 && !action.copy) {
      mistake(`${at}[${index}]`, 'only the first action answers to the sender', 'copy: true for this one');
      whole = false;
    }
  });
  return whole;
}

type KindOf = (via: string) => NextHopSettings['kind'] | undefined;
const ENDS_AT_ONCE: readonly (string | undefined)[] = ['refuse', 'discard'];

/** A copy has no sender to answer to: refused, it would be held for ever; discarded, it would never have been one. */
function copiesAreKept(actions: readonly ActionSettings[], kindOf: KindOf, at: string, mistake: Mistakes): boolean {
  let whole = true;
  actions.forEach((action, index) => {
    const kind = kindOf(action.via);
    if (index === 0 || !ENDS_AT_ONCE.includes(kind)) return;
    mistake(`${at}[${index}].via`, `a copy can not go to a next hop of kind '${kind}'`, 'a next hop that takes mail');
    whole = false;
  });
  return whole;
}

/** DESIGN decision 13: tried when the first action's delivery expires, with the same address. */
function fallbackCanHelp(route: RouteSettings, kindOf: KindOf, at: string, mistake: Mistakes): boolean {
  const first = route.to[0]?.via;
  if (route.fallback === null || first === undefined) return true;
  if (ENDS_AT_ONCE.includes(kindOf(first))) {
    mistake(at, `${first} ends mail at once, so that nothing is left to fall back`, 'no fallback');
  } else if (ENDS_AT_ONCE.includes(kindOf(route.fallback))) {
    mistake(at, `${route.fallback} delivers nothing`, 'a next hop that takes mail');
  } else if (route.fallback === first) {
    mistake(at, `${first} is what the first action uses already`, 'another next hop');
  } else return true;
  return false;
}
