// What v2 GetEmailIdentity and ListEmailIdentities answer for the identities of the emulator, with Easy DKIM. Called by
// ses.ts. The tokens are made from the name, so that they are the same at each call. Pure.

import { createHash } from 'node:crypto';
import { AwsError } from '../world.ts';

const TOKENS = 3;
const TOKEN_CHARACTERS = 32;

export type KnownIdentities = {
  readonly verified: readonly string[];
  /** Created, and not verified: nothing is sent or received by them. */
  readonly unverified: readonly string[];
  /** The custom MAIL FROM domain of an identity. */
  readonly mailFrom: (name: string) => string | null;
};

/** Throws NotFoundException where there is none of that very name. */
export function identityAnswer(name: string, { verified, unverified, mailFrom }: KnownIdentities): object {
  const isVerified = verified.includes(name);
  if (!isVerified && !unverified.includes(name))
    throw new AwsError('NotFoundException', 404, `Email identity ${name} does not exist.`);
  return {
    IdentityType: name.includes('@') ? 'EMAIL_ADDRESS' : 'DOMAIN',
    FeedbackForwardingStatus: true,
    VerifiedForSendingStatus: isVerified,
    VerificationStatus: isVerified ? 'SUCCESS' : 'PENDING',
    DkimAttributes: {
      SigningEnabled: true,
      Status: isVerified ? 'SUCCESS' : 'PENDING',
      Tokens: Array.from({ length: TOKENS }, (_, at) => tokenOf(name, at)),
      SigningHostedZone: 'dkim.amazonses.com',
      SigningAttributesOrigin: 'AWS_SES',
    },
    MailFromAttributes: { ...mailFromOf(mailFrom(name)), BehaviorOnMxFailure: 'USE_DEFAULT_VALUE' },
    Policies: {},
    Tags: [],
  };
}

/** One page: ListEmailIdentities may give 1,000. */
export function identityList({ verified, unverified }: KnownIdentities): object {
  const entry = (name: string, isVerified: boolean): object => ({
    IdentityType: name.includes('@') ? 'EMAIL_ADDRESS' : 'DOMAIN',
    IdentityName: name,
    SendingEnabled: isVerified,
    VerificationStatus: isVerified ? 'SUCCESS' : 'PENDING',
  });
  const all = [...verified.map((name) => entry(name, true)), ...unverified.map((name) => entry(name, false))];
  return { EmailIdentities: all };
}

function mailFromOf(domain: string | null): object {
  return domain === null ? {} : { MailFromDomain: domain, MailFromDomainStatus: 'SUCCESS' };
}

function tokenOf(name: string, at: number): string {
  return createHash('sha256').update(`${at} ${name}`).digest('hex').slice(0, TOKEN_CHARACTERS);
}
