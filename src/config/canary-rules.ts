// Checks the canary against domains, routes and next hops: it must reach a mailbox by one way. rules.ts calls it, with
// the sections that are valid. It uses no network.

import { needsSmtputf8, parseMailbox } from '#core/message/address.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import type { Mistakes } from './given.ts';
import type { Settings } from './settings.ts';

type Given = Pick<Settings, 'domains' | 'nextHops' | 'routes'> & { readonly to: string };

export function canaryHasAWay(given: Given, mistake: Mistakes): void {
  const wrong = wrongIn(given);
  if (wrong !== null) mistake('canary.to', wrong, () => writeFor(given));
}

function wrongIn({ to, domains, nextHops, routes }: Given): string | null {
  const mailbox = parseMailbox(to);
  if (mailbox === null) return null; // its section says so
  if (needsSmtputf8(mailbox)) return 'a canary has an ASCII address';
  if (!domains.includes(mailbox.domainKey)) return `${mailbox.domainKey} is none of domains`;
  const [first] = compileRoutes(routes).resolve(mailbox, 'inbound')?.actions ?? [];
  if (first === undefined) return 'no inbound route takes it';
  const kind = nextHops[first.via]?.kind;
  return kind === 'refuse' || kind === 'discard' ? `its route goes to ${first.via}, where nothing arrives` : null;
}

function writeFor({ domains }: Given): string {
  return `a mailbox such as 'canary@${domains[0] ?? 'example.com'}', and a route that delivers it`;
}
