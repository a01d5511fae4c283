// A next hop that is SES, at an endpoint of a test's choice.

import { sesSendClient } from '#adapters/aws/clients.ts';
import { SesNextHop } from '#adapters/aws/ses-next-hop.ts';

export function sesNextHopFor(config: {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}): SesNextHop {
  return new SesNextHop(sesSendClient(config), {
    domains: ['example.com'],
    noticesFrom: 'postmaster@example.com',
    region: config.region,
    configurationSet: 'everpost',
  });
}
