// SES over HTTP: v2 SendEmail with raw content, GetAccount and identities; of the older API SendBounce, identities and
// the active receipt rule set. Opened by aws.ts. Every other operation is answered with NotImplemented and its name, in
// the form that its SDK client reads. It answers when the mail is stored, and never sends twice for one call.

import { randomBytes } from 'node:crypto';
import { readBody } from '../http/request-body.ts';
import { writeXml, type XmlElement } from '../http/xml.ts';
import { AwsError, type HttpCall, type HttpService, type World } from '../world.ts';
import { createSesAccount, type SesAccount } from './account.ts';
import { type ConfigurationSets, configurationSetArn } from './configuration-sets.ts';
import { mostSpecificIdentity } from './identities.ts';
import { dkimAttributes, identityAnswer, identityList, type KnownIdentities } from './identity-answer.ts';
import type { MadeIdentities } from './made-identities.ts';
import type { Outgoing } from './outgoing.ts';
import { addressesIn, notVerified, refused, rewritten, steeredBy } from './raw-message.ts';
import type { ReceiptRules } from './receiving.ts';
import type { ReceiptRule } from './rule-sets.ts';
import { bounceOf, type ReceivedMail } from './send-bounce.ts';

export type SesSending = {
  readonly outgoing: Outgoing;
  /** The identities that are verified: domains, whose sub-domains are verified too, and addresses. */
  readonly identities: () => readonly string[];
  /** Further identities, created and not verified. Absent: none. */
  readonly unverified?: () => readonly string[];
  /** Verified ones as which SES does not sign. Absent: none. */
  readonly unsigned?: () => readonly string[];
  /** The custom MAIL FROM domain of an identity. Absent: none has one. */
  readonly mailFrom?: (identity: string) => string | null;
  /** Those that callers create. Absent: none can be. */
  readonly made?: MadeIdentities;
  /** The received message with that id, for SendBounce. */
  readonly received: (sesMessageId: string) => ReceivedMail | null;
  readonly configurationSets?: ConfigurationSets;
  /** Absent: one with the defaults. */
  readonly account?: SesAccount;
};

const RAW_BASE64_MAX = 40 * 1024 * 1024; // SES v2: a message after base64
const BODY_BYTES_MAX = RAW_BASE64_MAX + 1024 * 1024;
const RECIPIENTS_MAX = 50;
const BOUNCE_EVERY_MS = 1_000;
const NAMESPACE = 'http://ses.amazonaws.com/doc/2010-12-01/';

type Operation = (form: URLSearchParams, rules: ReceiptRules, known: () => KnownIdentities) => XmlElement;
const OPERATIONS: Readonly<Record<string, Operation>> = {
  SetActiveReceiptRuleSet: (form, rules) => {
    rules.setActive(form.get('RuleSetName')); // absent: no rule set is active any more
    return {};
  },
  DescribeActiveReceiptRuleSet: (_form, rules) => {
    const active = rules.active();
    if (active === null) return {};
    return {
      Metadata: { Name: active.name, CreatedTimestamp: new Date(active.createdAt).toISOString() },
      Rules: { member: active.rules.map(ruleXml) },
    };
  },
  GetIdentityDkimAttributes: (form, _rules, known) => dkimAttributes(form, known()),
};
const NOBODY: KnownIdentities = {
  ...{ verified: [], unverified: [], unsigned: [] },
  mailFrom: () => null,
  forwardsFeedback: () => true,
};

/** Without `sending` nothing can be sent. */
export function createSes(world: World, rules: ReceiptRules, sending?: SesSending): HttpService {
  const sender = sending === undefined ? null : createSender(world, sending);
  return {
    name: 'ses',
    async serve(call) {
      const body = await readBody(call.request, BODY_BYTES_MAX);
      if (isV2(call)) return serveV2(call, body, sender);
      const form = new URLSearchParams(body.toString());
      const name = form.get('Action') ?? '';
      if (name === 'SendBounce' && sender !== null) {
        const sesMessageId = await sender.bounce(call, form).catch(inOlderWords);
        return sendXml(call, name, { MessageId: sesMessageId });
      }
      const operation = OPERATIONS[name];
      if (!operation) throw notEmulated(name || 'without an Action');
      const result = await world.gate.pass(
        {
          service: 'ses',
          operation: name,
          target: form.get('RuleSetName') ?? '',
          principal: call.principal,
          access: [{ action: `ses:${name}`, resource: '*' }],
          ...(call.kill ? { kill: call.kill } : {}),
        },
        async () => operation(form, rules, () => sender?.known() ?? NOBODY),
      );
      sendXml(call, name, result);
    },
    fail(call, error) {
      if (isV2(call)) {
        call.response.setHeader('x-amzn-errortype', error.code);
        send(call, error.statusCode, 'application/json', JSON.stringify({ message: error.message }));
        return;
      }
      const sent = { Type: error.statusCode < 500 ? 'Sender' : 'Receiver', Code: error.code, Message: error.message };
      send(
        call,
        error.statusCode,
        'text/xml',
        writeXml('ErrorResponse', { Error: sent, RequestId: call.requestId }, NAMESPACE),
      );
    },
  };
}

type Sender = {
  known(): KnownIdentities;
  account(call: HttpCall): Promise<object>;
  putSending(call: HttpCall, body: Buffer): Promise<object>;
  email(call: HttpCall, request: SendEmail): Promise<string>;
  bounce(call: HttpCall, form: URLSearchParams): Promise<string>;
  identity(call: HttpCall, name: string): Promise<object>;
  identities(call: HttpCall): Promise<object>;
  createIdentity(call: HttpCall, body: Buffer): Promise<object>;
  putFeedback(call: HttpCall, name: string, body: Buffer): Promise<object>;
};

function createSender(world: World, sending: SesSending): Sender {
  const { outgoing, identities, received, configurationSets, account = createSesAccount(world) } = sending;
  let bounceFreeAt = 0;
  const identityOf = (address: string) => mostSpecificIdentity(address, identities());
  const isVerified = (address: string) => identityOf(address) !== null;
  const arnOf = (address: string) =>
    `arn:${world.partition}:ses:${world.region}:${world.account}:identity/${identityOf(address) ?? address}`;
  const gated = (call: HttpCall, operation: string, target: string, actions: readonly string[], on: string[]) => ({
    service: 'ses' as const,
    operation,
    target,
    principal: call.principal,
    access: on.flatMap((resource) => actions.map((action) => ({ action, resource }))),
    ...(call.kill ? { kill: call.kill } : {}),
  });
  const { made } = sending;
  const known = (): KnownIdentities => {
    const [verified, unverified] = [identities(), sending.unverified?.() ?? []];
    const created = made?.names().filter((name) => !verified.includes(name) && !unverified.includes(name)) ?? [];
    return {
      verified,
      unverified: [...unverified, ...created],
      unsigned: sending.unsigned?.() ?? [],
      mailFrom: (name) => sending.mailFrom?.(name) ?? null,
      forwardsFeedback: (name) => made?.forwardsFeedback(name) ?? true,
    };
  };
  const knownNames = (): readonly string[] => [...known().verified, ...known().unverified];
  const onIdentity = (call: HttpCall, operation: string, name: string) =>
    gated(
      call,
      operation,
      name,
      [`ses:${operation}`],
      [`arn:${world.partition}:ses:${world.region}:${world.account}:identity/${name}`],
    );
  const terms = () => ({ region: world.region, now: world.clock.now(), sesMessageId: newId(world), isVerified });

  return {
    known,
    account: (call) =>
      world.gate.pass(
        { ...gated(call, 'GetAccount', '', [], []), access: [{ action: 'ses:GetAccount', resource: '*' }] },
        async () => accountJson(account),
      ),
    async putSending(call, body) {
      const { SendingEnabled: sendingEnabled = false } = jsonOf<{ SendingEnabled?: boolean }>(body);
      const access = [{ action: 'ses:PutAccountSendingAttributes', resource: '*' }];
      return world.gate.pass({ ...gated(call, 'PutAccountSendingAttributes', '', [], []), access }, async () => {
        account.set({ sendingEnabled });
        return {};
      });
    },
    async email(call, request) {
      const { from, recipients, raw, ...named } = understood(request);
      const source = from ?? '';
      const target = recipients.join(' ');
      // The call's parameters win over the message's own fields (docs/aws-contracts.md §2.4, no. 2).
      const steered = steeredBy(raw);
      const configurationSet = named.configurationSet ?? steered.configurationSet;
      const tags = Object.keys(named.tags).length > 0 ? named.tags : steered.tags;
      const on = [arnOf(source), ...(configurationSet === null ? [] : [configurationSetArn(world, configurationSet)])];
      const passed = gated(call, 'SendEmail', target, ['ses:SendEmail', 'ses:SendRawEmail'], on);
      // Keys of SES's service authorization reference, for policies that name addresses.
      const context = { 'ses:fromaddress': source, 'ses:recipients': recipients };
      const access = passed.access.map((each) => ({ ...each, context }));
      return world.gate.pass({ ...passed, access }, async () => {
        const now = terms();
        if (configurationSet !== null && !configurationSets?.find(configurationSet))
          throw new AwsError('NotFoundException', 404, `Configuration set <${configurationSet}> does not exist.`);
        if (!isVerified(source)) throw notVerified([source], world.region);
        const content = rewritten(raw, source, now);
        account.spend(recipients.length);
        const { sesMessageId, region } = now;
        const reversePath = `${sesMessageId}@${region}.amazonses.com`;
        const of = { sesMessageId, reversePath, source, configurationSet, acceptedAt: now.now };
        await outgoing.accept({ ...of, forwardPaths: recipients, tags }, content);
        return sesMessageId;
      });
    },
    identity: (call, name) =>
      world.gate.pass(onIdentity(call, 'GetEmailIdentity', name), async () => identityAnswer(name, known())),
    async createIdentity(call, body) {
      const { EmailIdentity: name, ...rest } = jsonOf<{ EmailIdentity?: unknown }>(body);
      const [further] = Object.keys(rest);
      if (further !== undefined || made === undefined) throw notEmulated(`CreateEmailIdentity with ${further}`);
      if (typeof name !== 'string' || name === '') throw refused('EmailIdentity is missing.');
      return world.gate.pass(onIdentity(call, 'CreateEmailIdentity', name), async () => {
        made.create(name, knownNames());
        const { IdentityType, VerifiedForSendingStatus, DkimAttributes } = identityAnswer(name, known());
        return { IdentityType, VerifiedForSendingStatus, DkimAttributes };
      });
    },
    async putFeedback(call, name, body) {
      const { EmailForwardingEnabled = false } = jsonOf<{ EmailForwardingEnabled?: boolean }>(body);
      if (made === undefined) throw notEmulated('PutEmailIdentityFeedbackAttributes');
      return world.gate.pass(onIdentity(call, 'PutEmailIdentityFeedbackAttributes', name), async () => {
        made.setForwarding(name, EmailForwardingEnabled, knownNames());
        return {};
      });
    },
    identities: (call) =>
      world.gate.pass(gated(call, 'ListEmailIdentities', '', ['ses:ListEmailIdentities'], ['*']), async () =>
        identityList(known()),
      ),
    async bounce(call, form) {
      const original = form.get('OriginalMessageId') ?? '';
      const from = form.get('BounceSender') ?? '';
      return world.gate.pass(gated(call, 'SendBounce', original, ['ses:SendBounce'], [arnOf(from)]), async () => {
        const now = { ...terms(), received };
        if (now.now < bounceFreeAt) throw new AwsError('Throttling', 400, 'Maximum sending rate exceeded.');
        bounceFreeAt = now.now + BOUNCE_EVERY_MS;
        const { forwardPath, content } = bounceOf(form, now);
        account.spend(1);
        const { sesMessageId } = now;
        // It names no configuration set, so no event is published.
        const of = { sesMessageId, reversePath: '', source: from, configurationSet: null, acceptedAt: now.now };
        await outgoing.accept({ ...of, forwardPaths: [forwardPath], tags: {} }, content);
        return sesMessageId;
      });
    },
  };
}

async function serveV2(call: HttpCall, body: Buffer, sender: Sender | null): Promise<void> {
  const { method = '' } = call.request;
  const identity = /^\/v2\/email\/identities\/([^/]+)$/.exec(call.url.pathname)?.[1];
  if (sender !== null && method === 'GET' && identity !== undefined) {
    const answer = await sender.identity(call, decodeURIComponent(identity));
    return send(call, 200, 'application/json', JSON.stringify(answer));
  }
  if (sender !== null && method === 'POST' && call.url.pathname === '/v2/email/identities')
    return send(call, 200, 'application/json', JSON.stringify(await sender.createIdentity(call, body)));
  const fedBack = /^\/v2\/email\/identities\/([^/]+)\/feedback$/.exec(call.url.pathname)?.[1];
  if (sender !== null && method === 'PUT' && fedBack !== undefined) {
    const answer = await sender.putFeedback(call, decodeURIComponent(fedBack), body);
    return send(call, 200, 'application/json', JSON.stringify(answer));
  }
  if (sender !== null && method === 'POST' && call.url.pathname === '/v2/email/list-identities')
    return send(call, 200, 'application/json', JSON.stringify(await sender.identities(call)));
  if (sender !== null && method === 'GET' && call.url.pathname === '/v2/email/account')
    return send(call, 200, 'application/json', JSON.stringify(await sender.account(call)));
  if (sender !== null && method === 'PUT' && call.url.pathname === '/v2/email/account/sending')
    return send(call, 200, 'application/json', JSON.stringify(await sender.putSending(call, body)));
  if (sender === null || method !== 'POST' || call.url.pathname !== '/v2/email/outbound-emails')
    throw notEmulated(`v2 ${method} ${call.url.pathname}`);
  const sesMessageId = await sender.email(call, jsonOf<SendEmail>(body));
  send(call, 200, 'application/json', JSON.stringify({ MessageId: sesMessageId }));
}

function jsonOf<T>(body: Buffer): T {
  try {
    return JSON.parse(body.toString()) as T;
  } catch {
    throw refused('The request is not JSON.');
  }
}

function accountJson(account: SesAccount): object {
  const { sendingEnabled, productionAccess, enforcement, maxSendRate, max24HourSend } = account.values();
  return {
    DedicatedIpAutoWarmupEnabled: false,
    EnforcementStatus: enforcement,
    ProductionAccessEnabled: productionAccess,
    SendQuota: { Max24HourSend: max24HourSend, MaxSendRate: maxSendRate, SentLast24Hours: account.sentLast24Hours() },
    SendingEnabled: sendingEnabled,
  };
}

type SendEmail = {
  readonly FromEmailAddress?: unknown;
  readonly Destination?: { readonly [list: string]: readonly string[] | undefined };
  readonly Content?: { readonly Raw?: { readonly Data?: unknown } };
  readonly EmailTags?: readonly { readonly Name?: string; readonly Value?: string }[];
  readonly ConfigurationSetName?: unknown;
};
type Understood = {
  readonly from: string | null;
  readonly recipients: readonly string[];
  readonly raw: Uint8Array;
  readonly tags: Readonly<Record<string, string>>;
  readonly configurationSet: string | null;
};

/** The parts of a request, checked. Throws AwsError. */
function understood({ FromEmailAddress, Destination, Content, EmailTags = [], ...more }: SendEmail): Understood {
  const { ConfigurationSetName, ...others } = more;
  const stranger = Object.keys(others)[0];
  if (stranger !== undefined) throw notEmulated(`v2 SendEmail with ${stranger}`);
  const data = Content?.Raw?.Data;
  if (typeof data !== 'string') throw notEmulated('v2 SendEmail without Content.Raw');
  if (data.length > RAW_BASE64_MAX)
    throw refused(`Message length is more than ${RAW_BASE64_MAX} bytes long: '${data.length}'.`);
  const recipients = Object.values(Destination ?? {}).flatMap((list) => list ?? []);
  if (recipients.length === 0) throw notEmulated('v2 SendEmail without a Destination');
  if (recipients.length > RECIPIENTS_MAX) throw refused(`Recipient count exceeds ${RECIPIENTS_MAX}.`);
  for (const address of recipients) {
    if (!/^[\x21-\x7e]+@[\x21-\x7e]+$/.test(address))
      throw refused(`Local address contains control or whitespace, or is not ASCII: ${address}`);
  }
  const tags = Object.fromEntries(EmailTags.map(({ Name = '', Value = '' }) => [Name, Value]));
  for (const text of Object.entries(tags).flat()) {
    if (!/^[A-Za-z0-9_-]{1,256}$/.test(text)) throw refused(`Invalid message tag: ${text}`);
  }
  if (typeof FromEmailAddress !== 'string') throw notEmulated('v2 SendEmail without a FromEmailAddress');
  const configurationSet = ConfigurationSetName === undefined ? null : String(ConfigurationSetName);
  const from = addressesIn(FromEmailAddress)[0] ?? null;
  return { from, recipients, raw: Buffer.from(data, 'base64'), tags, configurationSet };
}

/** The older API's error for a bad parameter, and for an account that may not send now. */
function inOlderWords(error: unknown): never {
  const throttled = error instanceof AwsError && /^(TooManyRequests|LimitExceeded)Exception$/.test(error.code);
  if (throttled) throw new AwsError('Throttling', 400, error.message);
  if (error instanceof AwsError && error.code === 'SendingPausedException')
    throw new AwsError('AccountSendingPausedException', 400, error.message);
  if (error instanceof AwsError && error.code === 'BadRequestException')
    throw new AwsError('InvalidParameterValue', error.statusCode, error.message);
  throw error;
}

/** As SES's ids look: the time first. */
function newId(world: World): string {
  const time = world.clock.now().toString(16).padStart(12, '0');
  const rest = randomBytes(18).toString('hex');
  return `0102${time}-${rest.slice(0, 8)}-${rest.slice(8, 12)}-${rest.slice(12, 16)}-${rest.slice(16, 20)}-${rest.slice(20, 32)}-000000`;
}

function sendXml(call: HttpCall, operation: string, result: XmlElement): void {
  const members = { [`${operation}Result`]: result, ResponseMetadata: { RequestId: call.requestId } };
  send(call, 200, 'text/xml', writeXml(`${operation}Response`, members, NAMESPACE));
}

const isV2 = (call: HttpCall): boolean => call.url.pathname.startsWith('/v2/');
const notEmulated = (what: string): AwsError => new AwsError('NotImplemented', 501, `SES ${what} is not emulated`);

function ruleXml(rule: ReceiptRule): XmlElement {
  return {
    Name: rule.Name,
    Enabled: rule.Enabled === true,
    TlsPolicy: rule.TlsPolicy ?? 'Optional',
    Recipients: { member: rule.Recipients ?? [] },
    Actions: { member: (rule.Actions ?? []).map((action) => action as XmlElement) },
    ScanEnabled: rule.ScanEnabled === true,
  };
}

function send({ response }: HttpCall, status: number, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, { 'content-type': type, 'content-length': body.length });
  response.end(body);
}
