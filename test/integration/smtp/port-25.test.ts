// The SMTP client at port 25 behind AWS's network: what cannot be reached is told at once, no connection is tried, and
// nothing but an address that was judged is connected to.

import { afterEach, describe, expect, it, vi } from 'vitest';

const connected: unknown[] = [];
vi.mock('node:net', async (original) => {
  const net = await original<typeof import('node:net')>();
  const connect: unknown = (options: { readonly host: string; readonly port: number }, ...more: [() => void]) => {
    connected.push(`${options.host}:${options.port}`);
    return net.connect({ ...options, host: '127.0.0.1', port: 9 }, ...more);
  };
  return { ...net, connect };
});

const { SmtpNextHop } = await import('#adapters/smtp/next-hop.ts');
const { classify } = await import('#core/reply/classify.ts');
const { message, never, patient, settings } = await import('./smtp-case.ts');

/** One attempt at a name with these addresses. */
async function attempt(addresses: readonly string[], port25?: 'private' | 'unblocked' | 'closed', port = 25) {
  let lookups = 0;
  const lookup = async () => {
    lookups++;
    return addresses;
  };
  const terms = { ehloName: 'our.example', credentials: null, timeoutsMs: patient, lookup, port25 };
  const since = performance.now();
  const hop = new SmtpNextHop(settings({ hosts: ['mx.example'], port }), terms);
  const [result] = await hop.attempt(message(), never());
  if (result === undefined) throw new Error('no result');
  return { result, ms: performance.now() - since, lookups };
}

afterEach(() => {
  connected.length = 0;
});

// Real time is measured: a busy machine may come between once, and what is wrong is wrong each time.
describe('a next hop on port 25', { retry: 2 }, () => {
  it.each([
    ['private', ['192.0.2.1']],
    ['private', ['2001:db8::1', '192.0.2.1']],
    ['unblocked', ['2001:db8::1']],
    ['closed', ['10.0.0.1']],
  ] as const)("%s: %j is the operator's to mend at once", async (port25, addresses) => {
    const { result, ms } = await attempt(addresses, port25);
    expect(connected).toEqual([]);
    expect(ms).toBeLessThan(1_000);
    expect(classify(result)).toMatchObject({
      kind: 'deferred',
      reason: 'port-25-blocked',
      operatorFault: true,
      pace: 'long',
      detail: expect.stringMatching(/^mx\.example \(/),
    });
  });

  it('is connected to at its private addresses alone, looked up once', async () => {
    const { lookups } = await attempt(['2001:db8::1', '10.0.0.2', '192.0.2.1', '10.0.0.1'], 'private');
    expect(connected).toEqual(['10.0.0.2:25', '10.0.0.1:25']);
    expect(lookups).toBe(1);
  });

  it.each([
    ['unblocked: at every IPv4 address', 'unblocked', 25, ['192.0.2.1:25', '10.0.0.1:25']],
    [
      'where nothing is known of the network: at every address',
      undefined,
      25,
      ['2001:db8::1:25', '192.0.2.1:25', '10.0.0.1:25'],
    ],
    ['another port is never judged', 'closed', 587, ['2001:db8::1:587', '192.0.2.1:587', '10.0.0.1:587']],
  ] as const)('%s', async (_name, port25, port, expected) => {
    await attempt(['2001:db8::1', '192.0.2.1', '10.0.0.1'], port25, port);
    expect(connected).toEqual(expected);
  });

  it('that is blocked leads to the next host', async () => {
    const lookup = async (host: string) => [host === 'a.example' ? '192.0.2.1' : '10.0.0.1'];
    const terms = {
      ehloName: 'our.example',
      credentials: null,
      timeoutsMs: patient,
      lookup,
      port25: 'private',
    } as const;
    const hop = new SmtpNextHop(settings({ hosts: ['a.example', 'b.example'], port: 25 }), terms);
    const [result] = await hop.attempt(message(), never());
    expect(connected).toEqual(['10.0.0.1:25']);
    expect(result).toMatchObject({
      kind: 'network',
      host: 'b.example',
      tried: [expect.stringMatching(/^a\.example \(192/)],
    });
  });
});
