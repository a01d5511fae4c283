// SES's receiving side. Opened by aws.ts; inbound-smtp.ts calls its door. It refuses unknown recipients, stores mail so
// that it outlives the process (not a power cut), and performs the actions of the rules that match. An action that is
// refused is retried for 36 hours. After a crash unfinished actions run again: a notification may come twice, and is
// never lost.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Store } from '../store.ts';
import { AwsError, type World } from '../world.ts';
import { type AcceptedMail, openRecords } from './accepted-mail.ts';
import type { Answer, Envelope, Intake, MailDoor, Peer } from './inbound-smtp.ts';
import { openMessageFile } from './intake.ts';
import { type Announce, caller, type Deposit, type Measure, openDispatch, SUBJECT } from './receipt-actions.ts';
import { notification } from './receipt-notification.ts';
import { openRuleBook, type ReceiptRule, type ReceiptRuleProperties, type RuleBook } from './rule-sets.ts';
import type { ReceivedMail } from './send-bounce.ts';
import { type VerdictBook, verdictBook } from './verdicts.ts';

export type { Announce, Deposit, Measure } from './receipt-actions.ts';
export type { ReceiptRuleProperties } from './rule-sets.ts';

/** The operations of CloudFormation and the management API on receipt rules. */
export type ReceiptRules = {
  /** `AWS::SES::ReceiptRuleSet`; an existing one stays as it is. */
  createRuleSet(properties: { readonly RuleSetName: string }): void;
  /**
   * `AWS::SES::ReceiptRule`: when new or changed, SES first tests bucket and topic. Rejects with AwsError
   * InvalidS3ConfigurationException or InvalidSnsTopicException where they refuse, NotImplemented for a property
   * that is not emulated.
   */
  createRule(properties: ReceiptRuleProperties): Promise<void>;
  /** Removes rule sets and rules (as `set/rule`) that are not among `names`. */
  retain(names: ReadonlySet<string>): void;
  setActive(name: string | null): void;
  active: RuleBook['active'];
};
export type SesReceive = {
  readonly rules: ReceiptRules;
  /** For the SMTP listener. */
  readonly door: MailDoor;
  readonly verdicts: VerdictBook;
  /** Starts again the actions that a crash interrupted. Call it once bucket and topic exist. */
  resume(): void;
  /** Accepted messages whose actions are not finished. */
  unfinished(): number;
  stop(): void;
};

/** @param verifiedDomains the domains that a rule without recipients matches */
export function createSesReceive(parts: {
  readonly world: World;
  readonly store: Store;
  readonly deposit: Deposit;
  readonly announce: Announce;
  readonly verifiedDomains: () => readonly string[];
  readonly measure?: Measure;
  /** Hears of each message before it is taken: SendBounce is for these alone. */
  readonly remember?: (sesMessageId: string, mail: ReceivedMail) => void;
}): SesReceive {
  const { world, store } = parts;
  const records = openRecords(store, join(world.dataFolder, 'ses', 'accepted'));
  const book = openRuleBook(join(world.dataFolder, 'ses', 'rules.json'), parts.verifiedDomains);
  const verdicts = verdictBook();
  const dispatch = openDispatch({ ...parts, records });

  const ruleArn = (set: string, rule: string) =>
    `arn:${world.partition}:ses:${world.region}:${world.account}:receipt-rule-set/${set}:receipt-rule/${rule}`;

  /** The test that SES makes before it takes a rule. */
  async function tryOut({ RuleSetName, Rule }: ReceiptRuleProperties): Promise<void> {
    for (const action of Rule.Actions ?? []) {
      const by = caller(world, ruleArn(RuleSetName, Rule.Name), action.S3Action?.IamRoleArn);
      const topicArn = action.S3Action?.TopicArn ?? action.StopAction?.TopicArn;
      if (action.S3Action) {
        const { BucketName: bucket, ObjectKeyPrefix: prefix = '' } = action.S3Action;
        try {
          await parts.deposit(by, bucket, `${prefix}${SETUP_ID}`, Buffer.from(SETUP_MAIL));
          await store.flushed();
        } catch (error) {
          if (!(error instanceof AwsError)) throw error;
          const text = error.code === 'NoSuchBucket' ? 'No such bucket' : 'Could not write to bucket';
          throw new AwsError('InvalidS3ConfigurationException', 400, `${text}: ${bucket} (${error.message})`);
        }
      }
      if (topicArn !== undefined) {
        const now = world.clock.now();
        const message = notification(
          {
            sesMessageId: SETUP_ID,
            reversePath: 'aws@amazon.com',
            recipients: ['recipient@example.com'],
            verdicts: verdicts.of('aws@amazon.com'),
            scanEnabled: Rule.ScanEnabled === true,
            acceptedAt: now,
            now,
          },
          { ...(action.S3Action ? { S3Action: action.S3Action } : {}), topicArn },
          Buffer.from(SETUP_MAIL),
        );
        try {
          await parts.announce(by, topicArn, SUBJECT, JSON.stringify(message));
        } catch (error) {
          if (!(error instanceof AwsError)) throw error;
          throw new AwsError('InvalidSnsTopicException', 400, `Invalid SNS topic: ${topicArn} (${error.message})`);
        }
      }
    }
  }

  const rules: ReceiptRules = {
    createRuleSet: ({ RuleSetName }) => book.createSet(RuleSetName, world.clock.now()),
    async createRule(properties) {
      book.check(properties);
      const present = book.rule(properties.RuleSetName, properties.Rule.Name);
      if (JSON.stringify(present) !== JSON.stringify(properties.Rule)) await tryOut(properties);
      book.put(properties);
    },
    retain: book.retain,
    setActive: book.setActive,
    active: book.active,
  };

  function rcpt(forwardPath: string, peer: Peer): Answer | null {
    const matching = book.matching(forwardPath);
    if (matching.some((rule) => admits(rule, peer))) return null;
    if (matching.length > 0) return { code: 530, status: '5.7.0', text: 'Must issue a STARTTLS command first' };
    return { code: 550, status: '5.1.1', text: 'Requested action not taken: mailbox unavailable' };
  }

  function open(envelope: Envelope, peer: Peer): Intake {
    const active = book.active();
    const matched = matchedRules(envelope, book, peer);
    const sesMessageId = newMessageId();
    const acceptedAt = world.clock.now();
    const path = records.fileOf(sesMessageId);
    const file = openMessageFile(
      path,
      {
        sesMessageId,
        envelope,
        peer,
        verdicts: verdicts.of(envelope.reversePath),
        region: world.region,
        at: acceptedAt,
      },
      matched.some(({ rule }) => rule.ScanEnabled === true),
    );
    return {
      write: file.write,
      abort: file.abort,
      async commit() {
        const done = world.clock.busy('SES, a message on its way in');
        try {
          const { content, bytes, verdicts: found } = await file.finish();
          const mail: AcceptedMail = {
            version: 1,
            sesMessageId,
            envelope,
            bytes,
            verdicts: found,
            acceptedAt,
            ruleSet: active?.name ?? '',
            rules: matched,
          };
          const { reversePath, forwardPaths } = envelope;
          parts.remember?.(sesMessageId, { reversePath, forwardPaths, acceptedAt });
          records.keep(mail, content);
          // at once: this turn's writes are committed with the record, or in its place
          dispatch.accept(mail, true);
          await store.flushed();
          return { code: 250, status: '2.6.0', text: `OK ${sesMessageId}` };
        } catch (error) {
          // Begun actions go on, and the client sends again: the message comes twice rather than not at all.
          world.log(`ses: a message was not taken: ${error instanceof Error ? error.message : String(error)}`);
          return { code: 451, status: '4.3.0', text: 'Storage failed, try again later' };
        } finally {
          done();
        }
      },
    };
  }

  return {
    rules,
    door: { rcpt, open },
    verdicts,
    resume: () => {
      for (const mail of records.leftOver()) dispatch.accept(mail, false);
    },
    unfinished: dispatch.unfinished,
    stop: dispatch.stop,
  };
}

const SETUP_ID = 'AMAZON_SES_SETUP_NOTIFICATION';
const SETUP_MAIL =
  'From: Amazon Web Services <no-reply-aws@amazon.com>\r\nTo: recipient@example.com\r\n' +
  'Subject: Amazon SES Setup Notification\r\n\r\n' +
  'You received this message because you attempted to set up Amazon SES to deliver emails to this S3 bucket.\r\n';

const admits = (rule: ReceiptRule, peer: Peer): boolean => rule.TlsPolicy !== 'Require' || peer.secure;

/** Rules that take part in a message, each with the recipients that it matches; a Stop action ends the list. */
function matchedRules(envelope: Envelope, book: RuleBook, peer: Peer): AcceptedMail['rules'] {
  const recipients = new Map<ReceiptRule, string[]>();
  for (const forwardPath of envelope.forwardPaths) {
    for (const rule of book.matching(forwardPath)) {
      if (!admits(rule, peer)) continue;
      recipients.set(rule, [...(recipients.get(rule) ?? []), forwardPath]);
    }
  }
  const ordered = (book.active()?.rules ?? []).filter((rule) => recipients.has(rule));
  const stop = ordered.findIndex(({ Actions }) => Actions?.some(({ StopAction }) => StopAction));
  const running = stop < 0 ? ordered : ordered.slice(0, stop + 1);
  return running.map((rule) => ({ rule, recipients: recipients.get(rule) ?? [] }));
}

/** Forty letters and digits, as SES's ids look. */
function newMessageId(): string {
  let id = '';
  for (const byte of randomBytes(40)) id += '0123456789abcdefghijklmnopqrstuv'[byte & 31];
  return id;
}
