// What the tests of several hosts share: scripted servers at one port of several addresses of this machine, under names
// that a resolver of the test's own gives. It adds nothing to what is under test.

import type { SmtpTerms } from '#adapters/smtp/next-hop.ts';
import { SmtpNextHop } from '#adapters/smtp/next-hop.ts';
import { type ScriptedServer, scriptedServerAt } from '#test/smtp-dialogue.ts';
import { patient, type Settings, settings } from './smtp-case.ts';

export const OPEN = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING';
export const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
/** Nobody listens there. */
export const DOWN = 'down';

/** `names.a` is `127.0.1.1`, and so on in order; a script for each connection, or DOWN. */
export type Case = {
  readonly hosts: Readonly<Record<string, readonly string[] | typeof DOWN>>;
  readonly settings?: Partial<Settings>;
  readonly terms?: Partial<SmtpTerms>;
};

export async function withHosts<T>(
  given: Case,
  work: (hop: SmtpNextHop, servers: Readonly<Record<string, ScriptedServer>>) => Promise<T>,
): Promise<T> {
  const names = Object.keys(given.hosts);
  const addresses = new Map(names.map((name, i) => [name, `127.0.1.${i + 1}`]));
  const servers = await listening(given.hosts, addresses);
  const port = Object.values(servers)[0]?.port ?? 9;
  const hop = new SmtpNextHop(settings({ hosts: names, port, ...given.settings }), {
    ehloName: 'our.example',
    credentials: null,
    lookup: async (name) => [addresses.get(name) ?? notFound(name)],
    ...given.terms,
    timeoutsMs: { ...patient, ...given.terms?.timeoutsMs },
  });
  try {
    return await work(hop, servers);
  } finally {
    await hop.close();
    await Promise.all(Object.values(servers).map((server) => server.close()));
  }
}

/** All at one port: one that the first found free, and that the others may have to find again. */
async function listening(
  hosts: Case['hosts'],
  addresses: ReadonlyMap<string, string>,
): Promise<Record<string, ScriptedServer>> {
  for (let again = 0; ; again++) {
    const servers: Record<string, ScriptedServer> = {};
    let port = 0;
    try {
      for (const [name, scripts] of Object.entries(hosts)) {
        if (scripts === DOWN) continue;
        const server = await scriptedServerAt(addresses.get(name) ?? '', port, ...scripts);
        servers[name] = server;
        port = server.port;
      }
      return servers;
    } catch (error) {
      await Promise.all(Object.values(servers).map((server) => server.close()));
      if (again === 20) throw error;
    }
  }
}

export function notFound(name: string): never {
  throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
}
