// What v2 GetEmailIdentity answers for an identity of the emulator: verified, with Easy DKIM and without a custom MAIL
// FROM domain. Called by ses.ts. The tokens are made from the name, so that they are the same at each call. Pure.

import { createHash } from 'node:crypto';
import { AwsError } from '../world.ts';

const TOKENS = 3;
const TOKEN_CHARACTERS = 32;

/** Throws NotFoundException where there is none of that very name. */
export function identityAnswer(name: string, identities: readonly string[]): object {
  if (!identities.includes(name))
    throw new AwsError('NotFoundException', 404, `Email identity ${name} does not exist.`);
  return {
    IdentityType: name.includes('@') ? 'EMAIL_ADDRESS' : 'DOMAIN',
    FeedbackForwardingStatus: true,
    VerifiedForSendingStatus: true,
    VerificationStatus: 'SUCCESS',
    DkimAttributes: {
      SigningEnabled: true,
      Status: 'SUCCESS',
      Tokens: Array.from({ length: TOKENS }, (_, at) => tokenOf(name, at)),
      SigningHostedZone: 'dkim.amazonses.com',
      SigningAttributesOrigin: 'AWS_SES',
    },
    MailFromAttributes: { BehaviorOnMxFailure: 'USE_DEFAULT_VALUE' },
    Policies: {},
    Tags: [],
  };
}

function tokenOf(name: string, at: number): string {
  return createHash('sha256').update(`${at} ${name}`).digest('hex').slice(0, TOKEN_CHARACTERS);
}
