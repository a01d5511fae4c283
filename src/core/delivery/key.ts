// The identity of a delivery within its message: (forward-path, action). A notification that arrives twice, or a
// message that matches two receipt rules, makes each delivery once. The route is no part of it, because routes may be
// renumbered between the two.

import { createHash } from 'node:crypto';
import type { ForwardPath } from '#core/message/address.ts';
import type { DeliveryRef, NoticeKind } from './delivery.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'; // RFC 4648 base32, lower case
const KEY_CHARS = 16; // 80 bits: no collision among the recipients of one message

/** 16 characters of [a-z2-7]. The local part keeps its case (RFC 5321 §2.4), the domain does not. */
export function deliveryKeyOf(forwardPath: ForwardPath, action: number): string {
  const hash = createHash('sha256').update(`${forwardPath.localPart}\0${forwardPath.domainKey}\0${action}`).digest();
  let key = '';
  for (let i = 0; i < KEY_CHARS; i++) key += ALPHABET.charAt((hash[i] ?? 0) & 31);
  return key;
}

/** A notice's key follows from its delivery's, so that there is at most one of each kind. */
export function noticeKeyOf(deliveryKey: string, kind: NoticeKind): string {
  return `${deliveryKey}-${kind}`;
}

const CANARY = '-canary';

/** A canary's row has a key of its own kind, so that the index of what is due tells it from mail without a read. */
export function canaryKeyOf(deliveryKey: string): string {
  return `${deliveryKey}${CANARY}`;
}

/** Its row is a canary's (core/message/canary.ts): no notice is due to anybody, and no figure counts it. */
export function isCanary({ deliveryKey }: DeliveryRef): boolean {
  return deliveryKey.endsWith(CANARY);
}
