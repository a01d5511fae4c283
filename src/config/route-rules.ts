// Checks the routes once each can be read: that their next hops exist, that each route can be reached, and that its
// actions fit together. check.ts calls it. It decides nothing about a message: core/routing/routes.ts does.

import { coveringKeys, parseMatch } from '#core/routing/routes.ts';
import type { Given, Mistakes } from './given.ts';
import { kinds, kindsLater } from './next-hop-schema.ts';
import type { RouteRead, Sections } from './sections.ts';
import type { NextHopSettings } from './settings.ts';
import { among, join, nearest, show } from './words.ts';

/**
 * Every next hop that is named has to be there, also where its own section is wrong. Gives the sections that may be
 * looked at further.
 */
export function namesInUse(sections: Sections, { nextHops, routes, notices }: Given, mistake: Mistakes): Sections {
  if (typeof nextHops !== 'object' || nextHops === null) return sections; // nothing to compare with
  const names = Object.keys(nextHops);
  const known = new Set(names);
  let fit: Sections = sections;
  const look = (name: unknown, at: string): void => {
    if (typeof name !== 'string' || known.has(name)) return;
    unknownNextHop(name, names, at, mistake);
    fit = { ...fit, [at.startsWith('notices') ? 'notices' : 'routes']: undefined };
  };
  for (const [index, route] of (Array.isArray(routes) ? routes : []).entries()) {
    const { to, fallback } = (route ?? {}) as { readonly to?: unknown; readonly fallback?: unknown };
    for (const [place, action] of (Array.isArray(to) ? to : []).entries())
      look((action as { readonly via?: unknown } | undefined)?.via, `routes[${index}].to[${place}].via`);
    look(fallback, `routes[${index}].fallback`);
  }
  look((notices as { readonly via?: unknown } | undefined)?.via, 'notices.via');
  return fit;
}

function unknownNextHop(name: string, names: readonly string[], at: string, mistake: Mistakes): void {
  const write = names.length === 0 ? 'the name of a next hop that nextHops has' : among(names);
  if (Object.hasOwn(kinds, name) || (kindsLater as readonly string[]).includes(name))
    mistake(at, `no next hop is named ${show(name)}, which is a kind`, `the name of a next hop: ${write}`);
  else mistake(at, `no next hop is named ${show(name)}`, write);
}

export function checkRoutes({ domains, routesRead, nextHopsRead }: Sections, file: Given, mistake: Mistakes): void {
  const ours = domains === undefined ? null : new Set(domains);
  const kindOf = (via: string) => (Object.hasOwn(nextHopsRead, via) ? nextHopsRead[via]?.kind : undefined);
  const raw = Array.isArray(file.routes) ? (file.routes as readonly (Given | undefined)[]) : [];
  const reached = new Reached();
  for (const [index, route] of routesRead.entries()) {
    if (route === undefined) continue;
    const at = join('routes', index);
    const several = Array.isArray(raw[index]?.match);
    const matchAt = (place: number): string => (several ? `${at}.match[${place}]` : `${at}.match`);
    furtherActionsAreCopies(route.to, `${at}.to`, mistake);
    if (route.direction === 'inbound' && ours !== null)
      for (const [place, each] of route.match.entries()) canBeOurs(each, ours, matchAt(place), mistake);
    copiesAreKept(route.to, kindOf, `${at}.to`, mistake);
    fallbackCanHelp(route, kindOf, `${at}.fallback`, mistake);
    reached.look(route, index, matchAt, mistake);
  }
}

/** Inbound mail comes for our domains and their sub-domains alone: SES receives for no others. */
function canBeOurs(match: string, domains: ReadonlySet<string>, at: string, mistake: Mistakes): void {
  const parsed = parseMatch(match);
  if (parsed === null) return;
  if (parsed.kind === 'all') {
    mistake(at, "'*' alone would take mail for every domain", "'*@' and a domain, or direction: 'outbound'");
    return;
  }
  const labels = parsed.domainKey.split('.');
  if (labels.some((_, index) => domains.has(labels.slice(index).join('.')))) return;
  const near = (): string | null => nearest(parsed.domainKey, [...domains.values().take(1000)]);
  mistake(
    at,
    `we do not receive for ${parsed.domainKey}`,
    () => near() ?? `${parsed.domainKey} among domains, or a match in one of them`,
  );
}

/** The first route that matches wins: a match of which an earlier route takes everything can never win. */
class Reached {
  readonly #first = { inbound: new Map<string, number>(), outbound: new Map<string, number>() };

  look(route: RouteRead, index: number, matchAt: (place: number) => string, mistake: Mistakes): void {
    const first = this.#first[route.direction];
    const taken = route.match.map((text) => {
      const match = parseMatch(text);
      const keys = match === null ? [] : coveringKeys(match);
      const earlier = keys.map((key) => first.get(key)).find((found) => found !== undefined && found < index);
      const [own = text] = keys;
      const same = first.get(own);
      if (same === undefined) first.set(own, index);
      return { text, earlier, same };
    });
    const dead = taken.filter(({ earlier }) => earlier !== undefined);
    const [one] = dead;
    if (one !== undefined && dead.length === taken.length && taken.every(({ same }) => same === undefined)) {
      const by = [...new Set(dead.map(({ earlier }) => `routes[${earlier}]`))];
      const takes = dead.length === 1 ? one.text : `all that it matches, such as ${one.text},`;
      const verb = by.length === 1 ? 'takes' : 'take';
      const write = `it before ${by[0]}, or leave it out`;
      mistake(
        `routes[${index}]`,
        `it is never reached, because ${by.slice(0, 3).join(', ')} ${verb} ${takes} first`,
        write,
      );
      return;
    }
    taken.forEach(({ text, earlier, same }, place) => {
      if (same !== undefined) {
        const where = same === index ? 'this route' : `routes[${same}]`;
        mistake(matchAt(place), `${text} is a match of ${where} already`, 'each match once');
      } else if (earlier !== undefined)
        mistake(
          matchAt(place),
          `routes[${earlier}] takes ${text} first`,
          `it in a route before routes[${earlier}], or leave it out`,
        );
    });
  }
}

/** DESIGN §2.13: the first action answers to the sender, so only the others may, and must, be copies. */
function furtherActionsAreCopies(actions: RouteRead['to'], at: string, mistake: Mistakes): void {
  actions.forEach((action, index) => {
    if (index === 0 && action.copy)
      mistake(
        `${at}[0].copy`,
        'the first action answers to the sender and cannot be a copy',
        'copy on the further actions alone',
      );
    if (index > 0 && !action.copy)
      mistake(`${at}[${index}]`, 'only the first action answers to the sender', 'copy: true for this one');
  });
}

type KindOf = (via: string) => NextHopSettings['kind'] | undefined;
const ENDS_AT_ONCE: readonly (string | undefined)[] = ['refuse', 'discard'];

/** A copy has no sender to answer to: refused, it would be held for ever; discarded, it would never have been one. */
function copiesAreKept(actions: RouteRead['to'], kindOf: KindOf, at: string, mistake: Mistakes): void {
  actions.forEach((action, index) => {
    const kind = kindOf(action.via);
    if (index > 0 && ENDS_AT_ONCE.includes(kind))
      mistake(`${at}[${index}].via`, `a copy cannot go to a next hop of kind '${kind}'`, 'a next hop that takes mail');
  });
}

/** DESIGN decision 13: tried when the first action's delivery expires, with the same address. */
function fallbackCanHelp(
  { to, fallback }: Pick<RouteRead, 'to' | 'fallback'>,
  kindOf: KindOf,
  at: string,
  mistake: Mistakes,
): void {
  const first = to[0]?.via;
  if (fallback === null || first === undefined) return;
  if (ENDS_AT_ONCE.includes(kindOf(first)))
    mistake(at, `${first} ends mail at once, so that nothing is left to fall back`, 'no fallback');
  else if (ENDS_AT_ONCE.includes(kindOf(fallback)))
    mistake(at, `${fallback} delivers nothing`, 'a next hop that takes mail');
  else if (fallback === first) mistake(at, `${first} is what the first action uses already`, 'another next hop');
}
