// By which way mail reaches `notices.postmaster`: a copy of a failure, the digest, or mail to a return path that is no
// report. Called by the postmaster's copy, the digest, and returned. Pure. It never decides whether anything is sent
// there.

import type { Settings } from '#config/settings.ts';
import { parseMailbox } from '#core/message/address.ts';
import { compileRoutes, type Resolved, type RouteTable } from './routes.ts';

export type WayToPostmaster = {
  readonly nextHop: string;
  /** The address for RCPT: the postmaster's, or the one that the route sends this mail to. */
  readonly address: string;
  /** -1: no route. */
  readonly route: number;
  readonly returnPath: 'token' | 'srs' | null;
};

/**
 * As mail to the postmaster goes by the routes; else by `notices.via`; else, mail, by a next hop of kind ses. Null: a
 * notice goes as SES's report, and mail cannot be carried. `nullReversePath`: it is a notice. SES never has the null
 * reverse-path, so that `notices.via` then goes before a route by SES.
 */
export function wayToPostmaster(
  settings: Settings,
  terms: { readonly nullReversePath: boolean },
): WayToPostmaster | null {
  const { postmaster, via } = settings.notices;
  const mailbox = parseMailbox(postmaster);
  const routed = byRoute(settings, mailbox === null ? null : tableOf(settings).resolve(mailbox, 'inbound'));
  const bySes = routed !== null && settings.nextHops[routed.nextHop]?.kind === 'ses';
  if (routed !== null && !(bySes && terms.nullReversePath && via !== null)) return routed;
  const bySesAlone = terms.nullReversePath ? [] : Object.entries(settings.nextHops);
  const nextHop = via ?? bySesAlone.find(([, hop]) => hop.kind === 'ses')?.[0];
  return nextHop === undefined ? null : { nextHop, address: postmaster, route: -1, returnPath: null };
}

/** Null where no route takes his mail, or the route's next hop takes none. */
function byRoute(settings: Settings, resolved: Resolved | null): WayToPostmaster | null {
  const action = resolved?.actions[0];
  const kind = action === undefined ? undefined : settings.nextHops[action.via]?.kind;
  if (resolved === null || action === undefined || kind === undefined || kind === 'refuse' || kind === 'discard')
    return null;
  const returnPath = action.returnPath === 'keep' ? null : action.returnPath;
  const address = action.address ?? settings.notices.postmaster;
  return { nextHop: action.via, address, route: resolved.route, returnPath };
}

const tables = new WeakMap<Settings, RouteTable>();
function tableOf(settings: Settings): RouteTable {
  const table = tables.get(settings) ?? compileRoutes(settings.routes);
  tables.set(settings, table);
  return table;
}
