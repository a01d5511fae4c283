// The general rules for replies, as data: the first rule that fits decides. Called by decision.ts. Each rule stands for
// a reply that a real server sent. A refusal that is the operator's fault is deferred and alarmed; any other is
// returned to the sender (docs/decisions/whose-fault.md). No rule makes a 4xx permanent, and none makes an unknown
// reply anything but transient (classify.ts says what happens when no rule fits).

import { FROM_RCPT_ON, type ReplyRule, words } from './rule.ts';
import { dailyLimitRules, operatorRules, operatorStageRules } from './rules-operator.ts';
import { certainRules, othersRules, othersStageRules } from './rules-others.ts';
import { FOR_NOW, recipientRules } from './rules-recipient.ts';

const GREYLISTED = words('\\bgr[ae]y-?\\s?list');

/** Room, size and pace: a code that is clear by itself, and faults that pass. */
const passingRules: readonly ReplyRule[] = [
  {
    id: 'words-greylisted',
    codes: '4xx',
    text: GREYLISTED,
    reason: 'greylisted',
    seen: '450 4.2.0 <b@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example',
  },
  {
    id: 'code-552-recipients',
    phases: ['rcpt'],
    codes: [552],
    text: /\btoo many recipients\b/i,
    reason: 'too-many-recipients',
    statusAlways: '4.5.3',
    seen: '552 Too many recipients (RFC 5321 §4.5.3.1.10: to be taken as 452)',
  },
  {
    id: 'status-too-many-recipients',
    status: /^[45]\.5\.3$/,
    codes: '4xx',
    reason: 'too-many-recipients',
    seen: '452 4.5.3 Too many recipients',
  },
  {
    id: 'status-mailbox-full-now',
    phases: FROM_RCPT_ON,
    status: /^4\.2\.2$/,
    reason: 'mailbox-full',
    seen: '452 4.2.2 The email account is over quota',
  },
  {
    id: 'code-452-room',
    phases: FROM_RCPT_ON,
    codes: [452],
    text: /\b(?:quota|full|storage)\b/i,
    reason: 'mailbox-full',
    statusIfNone: '4.2.2',
    seen: '452 requested action not taken: insufficient system storage',
  },
];

/** The server's text calls its 5yz temporary: read after a status of its own, before the texts about us. */
const greylistedRules: readonly ReplyRule[] = [
  {
    id: 'words-greylisted-by-5yz',
    codes: '5xx',
    text: GREYLISTED,
    reason: 'greylisted',
    seen: '554 5.7.1 <b@example.com>: Recipient address rejected: Greylisted, come back later',
  },
];

/** Read after all other texts: trouble that passes, or that is the server's own, is neither side's fault. */
const serverTroubleRules: readonly ReplyRule[] = [
  {
    id: 'words-for-now',
    phases: FROM_RCPT_ON,
    codes: '5xx',
    text: FOR_NOW,
    reason: 'refused-for-now',
    seen: '554 5.3.0 Service temporarily unavailable, please try again later',
  },
];

/** Temporary faults about which no rule says more. */
const transientRules: readonly ReplyRule[] = [
  { id: 'code-421', codes: [421], reason: 'service-closing', seen: '421 4.3.2 Service shutting down' },
  { id: 'code-4yz', codes: '4xx', reason: 'refused-for-now', seen: '451 4.3.0 Temporary lookup failure' },
];

/** DESIGN decision 27: (a) and (b), then (c) ours before theirs, then (d) by the stage. */
export const replyRules: readonly ReplyRule[] = [
  ...operatorStageRules,
  ...dailyLimitRules,
  ...passingRules,
  ...certainRules,
  ...greylistedRules,
  ...operatorRules,
  ...transientRules,
  ...othersRules,
  ...recipientRules,
  ...serverTroubleRules,
  ...othersStageRules,
];
