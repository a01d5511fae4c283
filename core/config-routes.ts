// The routes of the configuration: what they may match, and what their actions may say.
// DESIGN §2.13: the first action answers to the sender, every further one is a copy.

import type { ActionSettings, RouteSettings } from './config.ts';
import {
  boolean,
  list,
  type Mistakes,
  nearest,
  notBuilt,
  object,
  oneOf,
  oneOrMore,
  optional,
  type Reader,
  required,
  show,
  text,
} from './config-fields.ts';
import { ADDRESS, nextHopName } from './config-sections.ts';
import { normalMatch } from './config-values.ts';
import { parseMatch } from './routes.ts';

/** One route. `names` are the next hops of the file; `domains` those we receive for, where they could be read. */
export function readRoute(names: readonly string[], domains: readonly string[] | undefined): Reader<RouteSettings> {
  const match = text(
    normalMatch,
    'match',
    "user@example.com, *@example.com, *@.example.com (its sub-domains), or * where direction is 'outbound'",
  );
  const known = new Set(domains);
  const read = object({
    match: required(oneOrMore(match, 'match')),
    direction: optional(oneOf(['inbound', 'outbound'] as const), 'inbound'),
    to: required(list(readAction(names), 'action')),
    fallback: optional<undefined>((_, at, mistake) => notBuilt(at, 'a fallback', 'no fallback', mistake), undefined),
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
    return whole ? { match: route.match, direction: route.direction, to: route.to } : undefined;
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

function readAction(names: readonly string[]): Reader<ActionSettings> {
  const read = object({
    via: required(nextHopName(names)),
    address: optional<string | null>(ADDRESS, null),
    copy: optional(boolean, false),
    returnPath: optional(oneOf(['keep', 'token', 'srs'] as const), 'keep'),
  });
  return (value, at, mistake) => {
    const action = read(value, at, mistake);
    if (action === undefined || action.returnPath === 'keep') return action;
    return notBuilt(`${at}.returnPath`, `the return path ${show(action.returnPath)}`, "'keep'", mistake);
  };
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
  if (whole && actions.length > 1) {
    notBuilt(`${at}[1]`, 'a route with several actions', 'one action', mistake);
    whole = false;
  }
  return whole;
}
