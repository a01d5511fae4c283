// At the start: which secrets that the configuration names are missing from the file of --secrets, or lack what they
// must have.

import { describe, expect, test } from 'vitest';
import type { Secrets } from '#aws-local/secrets/secrets-manager.ts';
import type { Settings } from '#config/settings.ts';
import { lackingSecrets } from '#local/named-secrets.ts';

describe('at the start, a secret that is named', () => {
  const settings = {
    nextHops: {
      exchange: { kind: 'smtp', auth: { secret: 'everpost/exchange' } },
      open: { kind: 'smtp', auth: null },
      store: { kind: 'lmtp', auth: { secret: 'everpost/store' } },
      aws: { kind: 'ses' },
    },
    submitters: { erp: { secret: 'everpost/erp', senderDomains: [] } },
  } as unknown as Settings;
  const good = { username: 'u', password: 'p' };
  test.for<[unknown, string]>([
    [undefined, 'is missing'],
    [{}, 'has no username'],
    [{ username: 'u' }, 'has no password'],
    [{ username: 'u', password: 7 }, 'has a password that is no text'],
    [{ username: 'u', password: '' }, 'has an empty password'],
    ['hunter2', 'is not JSON'],
    ['null', 'is JSON, but no object'],
  ])('as %j %s', ([secret, what]) => {
    const secrets = {
      'everpost/store': good,
      'everpost/erp': JSON.stringify(good),
      'everpost/exchange': secret,
    } as Secrets;
    if (secret === undefined) delete (secrets as Record<string, unknown>)['everpost/exchange'];
    const [line, ...others] = lackingSecrets(settings, 's.json', secrets);
    expect(others).toEqual([]);
    expect(line).toContain(`the secret everpost/exchange of the next hop exchange ${what} (s.json)`);
    expect(line).not.toContain('hunter2');
  });
  test('for a token or a certificate is read as relay reads it', () => {
    const hops = {
      m365: { kind: 'smtp', auth: { xoauth2: 'everpost/m365' }, clientCertificate: { secret: 'everpost/certificate' } },
    };
    const both = { nextHops: hops, submitters: {} } as unknown as Settings;
    const lines = lackingSecrets(both, 's.json', {
      'everpost/m365': { username: 'u', tokenUrl: 'http://login.example/', clientId: 'c', clientSecret: 'hunter2' },
      'everpost/certificate': { certificate: 'hunter2', key: 'hunter2' },
    });
    expect(lines).toEqual([
      'the secret everpost/m365 of the next hop m365 has a tokenUrl that is not https (s.json): write ' +
        '{"everpost/m365": {"username": "…", "tokenUrl": "https://…", "clientId": "…", "clientSecret": "…", "scope": "…"}}',
      'the secret everpost/certificate of the next hop m365 has a key that is no private key in PEM (s.json): write ' +
        '{"everpost/certificate": {"certificate": "-----BEGIN …", "key": "-----BEGIN …"}}',
    ]);
  });
  test('of every kind is looked for, and without a file the remedy is the flag', () => {
    const lines = lackingSecrets(settings, null, {});
    expect(lines.map((line) => /of the (.*) is missing/.exec(line)?.[1])).toEqual([
      'next hop exchange',
      'next hop store',
      'submitter erp',
    ]);
    expect(lines[0]).toContain('npm start -- --secrets FILE');
  });
});
