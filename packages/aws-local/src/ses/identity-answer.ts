// What v2 GetEmailIdentity and ListEmailIdentities, and the older GetIdentityDkimAttributes, answer for the identities
// of the emulator, with Easy DKIM. Called by ses.ts. The tokens are made from the name, so that they are the same at
// each call. Pure.

import { createHash } from 'node:crypto';
import type { XmlElement } from '../http/xml.ts';
import { AwsError } from '../world.ts';

const TOKENS = 3;
const TOKEN_CHARACTERS = 32;

export type KnownIdentities = {
  readonly verified: readonly string[];
  /** Created, and not verified: nothing is sent or received by them. */
  readonly unverified: readonly string[];
  /** Verified, and SES does not find the records of their DKIM keys any more. */
  readonly unsigned: readonly string[];
  /** The custom MAIL FROM domain of an identity. */
  readonly mailFrom: (name: string) => string | null;
  /** Whether SES mails what it reports to the sender, as it does unless it is told not to. */
  readonly forwardsFeedback: (name: string) => boolean;
};

export type IdentityAnswer = {
  readonly IdentityType: string;
  readonly VerifiedForSendingStatus: boolean;
  readonly DkimAttributes: object;
  readonly [further: string]: unknown;
};

/** Throws NotFoundException where there is none of that very name. */
export function identityAnswer(name: string, known: KnownIdentities): IdentityAnswer {
  const { verified, unverified, unsigned, mailFrom, forwardsFeedback } = known;
  const isVerified = verified.includes(name);
  if (!isVerified && !unverified.includes(name))
    throw new AwsError('NotFoundException', 404, `Email identity ${name} does not exist.`);
  return {
    IdentityType: name.includes('@') ? 'EMAIL_ADDRESS' : 'DOMAIN',
    FeedbackForwardingStatus: forwardsFeedback(name),
    VerifiedForSendingStatus: isVerified,
    VerificationStatus: isVerified ? 'SUCCESS' : 'PENDING',
    DkimAttributes: {
      SigningEnabled: true,
      Status: unsigned.includes(name) ? 'FAILED' : isVerified ? 'SUCCESS' : 'PENDING',
      Tokens: tokensOf(name),
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

/** Of the older API. A name of which there is no identity has no entry. Throws ValidationError for too many. */
export function dkimAttributes(form: URLSearchParams, { verified, unverified, unsigned }: KnownIdentities): XmlElement {
  const asked = [...form].filter(([key]) => /^Identities\.member\.\d+$/.test(key)).map(([, name]) => name);
  if (asked.length > ASKED_MAX)
    throw new AwsError('ValidationError', 400, `A maximum of ${ASKED_MAX} identities may be asked for in one call.`);
  const statusOf = (name: string) => {
    if (unsigned.includes(name)) return 'Failed';
    return verified.includes(name) ? 'Success' : 'Pending';
  };
  const there = asked.filter((name) => verified.includes(name) || unverified.includes(name));
  const entry = there.map((name) => ({
    key: name,
    value: { DkimEnabled: true, DkimVerificationStatus: statusOf(name), DkimTokens: { member: tokensOf(name) } },
  }));
  return { DkimAttributes: { entry } };
}
const ASKED_MAX = 100;

function mailFromOf(domain: string | null): object {
  return domain === null ? {} : { MailFromDomain: domain, MailFromDomainStatus: 'SUCCESS' };
}

function tokensOf(name: string): readonly string[] {
  return Array.from({ length: TOKENS }, (_, at) => tokenOf(name, at));
}

function tokenOf(name: string, at: number): string {
  return createHash('sha256').update(`${at} ${name}`).digest('hex').slice(0, TOKEN_CHARACTERS);
}
