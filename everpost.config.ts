// The configuration that Everpost ships with: `npm start` runs it on this machine, with mailboxes to look into.
// For mail of your own, name your domains and your mail server here; README says how to deploy it.

import type { Config } from '#config/schema.ts';

const config: Config = {
  domains: ['example.com'],
  nextHops: {
    // A demonstration server that `npm start` brings up: it keeps what it takes in Maildirs.
    mailboxes: { kind: 'smtp', host: '127.0.0.1', port: 2526, tls: 'off' },
  },
  routes: [{ match: '*@example.com', to: [{ via: 'mailboxes' }] }],
  notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'mailboxes' },
};

export default config;
