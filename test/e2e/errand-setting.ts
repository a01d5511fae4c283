// Where the full-stack exercise of errand.ts runs: its configuration, what SES and the secrets know, and its next hop.
// Called by the tests that run the exercise. It decides what the servers answer, and never what is sent.

import { type NextHop, sluggishDoor } from './errand-deeds.ts';
import { type Answer, catcher } from './smtp.ts';

/** `caught` and `turnedAway` are of one instance: `forget` them between two errands. */
export async function errandNextHop(): Promise<NextHop> {
  const turnedAway = new Set<string>();
  const server = await catcher({
    rcpt(forwardPath): Answer {
      const again = turnedAway.has(forwardPath);
      if (!/^(gone|later|never)/.test(forwardPath) || (again && forwardPath.startsWith('later'))) return undefined;
      turnedAway.add(forwardPath);
      return forwardPath.startsWith('gone') ? '550 5.1.1 no such user' : '450 4.2.0 not now';
    },
  });
  const sluggish = await sluggishDoor(server.port, turnedAway);
  const close = async () => {
    await sluggish.close();
    await server.close();
  };
  return { ...server, close, turnedAway, sluggishPort: sluggish.port };
}

export function forget({ caught, turnedAway }: NextHop): void {
  caught.splice(0);
  turnedAway.clear();
}

/** `secured` demands a login, whose secret the relay function must read. */
export function errandConfig({ port, sluggishPort }: NextHop): object {
  const hop = { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' };
  return {
    domains: ['example.com', 'secured.example'],
    nextHops: {
      ses: { kind: 'ses' },
      plain: hop,
      secured: { ...hop, auth: { secret: 'everpost/secured' } },
      sluggish: { ...hop, port: sluggishPort },
    },
    retry: { schedule: ['1m'], lifetime: '10m', delayNotice: false },
    retention: { spool: '1h' },
    routes: [
      { match: 'away@example.com', to: [{ via: 'ses', address: 'away@far.example' }] },
      { match: 'bounced@example.com', to: [{ via: 'ses', address: 'bounce@simulator.amazonses.com' }] },
      { match: 'away@secured.example', to: [{ via: 'ses', address: 'away@farther.example' }] },
      { match: 'srs@example.com', to: [{ via: 'plain', address: 'srs@far.example', returnPath: 'srs' }] },
      { match: 'token@example.com', to: [{ via: 'plain', address: 'token@far.example' }] },
      { match: 'sluggish@example.com', to: [{ via: 'sluggish' }] },
      { match: '*@example.com', to: [{ via: 'plain' }] },
      { match: '*@secured.example', to: [{ via: 'secured' }] },
      { match: '*@ses.example', direction: 'outbound', to: [{ via: 'ses' }] },
      { match: '*@out.example', direction: 'outbound', to: [{ via: 'plain' }] },
    ],
    submitters: { app: { secret: 'everpost/app', senderDomains: ['app.example'] } },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
  };
}
/** What SES knows beside the domains, so that each pattern of relay's permissions is the one that is needed. */
export const errandIdentities: readonly string[] = ['example.com', 'secured.example', 'app.example'].flatMap(
  (domain) => [`own@${domain}`, `sub.${domain}`],
);
export const errandSecrets = { 'everpost/secured': { username: 'everpost', password: 'secret' } };
