// Relay's permissions on resources that the configuration names and this stack does not make: identities of SES to send
// as, and secrets of next hops. Called by stages.ts. SES and Secrets Manager know them by name, so the permissions are
// written from names too. It grants nothing that the configuration does not name, except where a list is too long.

import { secretsOfHop } from '#config/hop-secrets.ts';
import type { Settings } from '#config/settings.ts';
import { parseMailbox } from '#core/message/address.ts';
import { bouncesBySes, identitiesOf, sendingDomains, sendingIdentities, sendsBySes } from '#core/message/ses-use.ts';
import { type GrantList, type Placed, placed } from './grant-list.ts';

/** Raw mail by v2 needs both (docs/aws-contracts.md §2.1). */
const sendActions = ['ses:SendEmail', 'ses:SendRawEmail'];
const identity = { service: 'ses', kind: 'identity/' } as const;

export function relayLists(settings: Settings): readonly GrantList[] {
  return [sendAs(settings), bounceAs(settings), readSecrets(settings)];
}

/** Where they stand in relay's role; nag-reasons.ts excuses the patterns among them there. */
export function relayPlaced(settings: Settings): Placed {
  return placed(relayLists(settings));
}

/**
 * As our own domains alone, and only where the configuration sends by SES: under whatever identity SES has for an
 * address of theirs. More than some 240 domains are one pattern, all identities of the account and region.
 */
function sendAs(settings: Settings): GrantList {
  const names = sendsBySes(settings) ? sendingIdentities(sendingDomains(settings)) : [];
  return { id: 'Identities', actions: sendActions, ...identity, names, otherwise: '*' };
}

/** SendBounce goes out as `notices.from`, which is one address. */
function bounceAs(settings: Settings): GrantList {
  const from = parseMailbox(settings.notices.from);
  const names = bouncesBySes(settings) && from !== null ? identitiesOf(from, sendingDomains(settings)) : [];
  return { id: 'Bouncing', actions: ['ses:SendBounce'], ...identity, names };
}

/**
 * Exactly the secrets that the configuration names. Secrets Manager ends each ARN in a hyphen and six letters of its
 * own.
 */
function readSecrets({ nextHops, notices }: Settings): GrantList {
  const names = Object.values(nextHops).flatMap((hop) => secretsOfHop(hop).map(({ name }) => name));
  if (notices.dkim !== null) names.push(notices.dkim.secret);
  return {
    id: 'Secrets',
    actions: ['secretsmanager:GetSecretValue'],
    names: [...new Set(names)].sort().map((name) => `${name}-??????`),
    service: 'secretsmanager',
    kind: 'secret:',
  };
}
