// SES's receipt rule sets: the sets and rules of the template, which set is active, and which rules match a recipient.
// Called by receiving.ts. They are kept in one file of the data folder. It never reads mail.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { domainToASCII } from 'node:url';
import { AwsError } from '../world.ts';

export type S3Action = {
  readonly BucketName: string;
  readonly ObjectKeyPrefix?: string;
  readonly TopicArn?: string;
  readonly IamRoleArn?: string;
};
export type StopAction = { readonly Scope: 'RuleSet'; readonly TopicArn?: string };
export type RuleAction = { readonly S3Action?: S3Action; readonly StopAction?: StopAction };
/** `AWS::SES::ReceiptRule`'s Rule, as CloudFormation and the API have it. */
export type ReceiptRule = {
  readonly Name: string;
  readonly Enabled?: boolean;
  readonly Recipients?: readonly string[];
  readonly Actions?: readonly RuleAction[];
  readonly ScanEnabled?: boolean;
  readonly TlsPolicy?: 'Optional' | 'Require';
};
export type ReceiptRuleProperties = {
  readonly RuleSetName: string;
  readonly After?: string;
  readonly Rule: ReceiptRule;
};

type RuleSet = { readonly createdAt: number; readonly rules: ReceiptRule[] };
type State = { active: string | null; readonly sets: Record<string, RuleSet> };

const RULES_MAX = 200; // SES quota: rules in a set
const ACTIONS_MAX = 10; // SES quota: actions of a rule
const RECIPIENTS_MAX = 500; // SES quota: recipients of a rule
const RULE_PROPERTIES = new Set(['Name', 'Enabled', 'Recipients', 'Actions', 'ScanEnabled', 'TlsPolicy']);
const S3_PROPERTIES = new Set(['BucketName', 'ObjectKeyPrefix', 'TopicArn', 'IamRoleArn']);
const ENTRY = /^(?:[^@\s]{1,64}@)?\.?[a-z0-9\u0080-\uffff](?:[a-z0-9.\u0080-\uffff-]*[a-z0-9\u0080-\uffff])?$/i;

export type RuleBook = {
  createSet(name: string, now: number): void;
  /** The rule as it stands under this name, if any. */
  rule(set: string, name: string): ReceiptRule | undefined;
  /**
   * Puts the rule after `After`, or first (as the API does); one of the same name is replaced. Throws AwsError for a
   * rule that SES refuses.
   */
  put(properties: ReceiptRuleProperties): void;
  /** Throws the error that `put` would throw, and changes nothing. */
  check(properties: ReceiptRuleProperties): void;
  /** Drops the sets, and in the others the rules, that are not named: `set` or `set/rule`. */
  retain(names: ReadonlySet<string>): void;
  setActive(name: string | null): void;
  active(): { readonly name: string; readonly createdAt: number; readonly rules: readonly ReceiptRule[] } | null;
  /** The enabled rules of the active set that match the recipient, in order. */
  matching(recipient: string): readonly ReceiptRule[];
};

/** @param verifiedDomains those a rule without recipients stands for */
export function openRuleBook(path: string, verifiedDomains: () => readonly string[]): RuleBook {
  const state: State = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as State)
    : { active: null, sets: {} };
  let index = indexed(state, verifiedDomains);

  function changed(): void {
    index = indexed(state, verifiedDomains);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, JSON.stringify(state, null, 1));
    renameSync(`${path}.new`, path);
  }
  function setOf(name: string): RuleSet {
    const set = state.sets[name];
    if (!set) throw new AwsError('RuleSetDoesNotExist', 400, `Rule set does not exist: ${name}`);
    return set;
  }
  function check({ RuleSetName, After, Rule }: ReceiptRuleProperties): void {
    const others = setOf(RuleSetName).rules.filter(({ Name }) => Name !== Rule.Name);
    if (others.length >= RULES_MAX) throw new AwsError('LimitExceeded', 400, `Too many rules: ${RULES_MAX}`);
    if (After !== undefined && !others.some(({ Name }) => Name === After)) {
      throw new AwsError('RuleDoesNotExist', 400, `Rule does not exist: ${After}`);
    }
    checkRule(Rule);
  }

  return {
    createSet(name, now) {
      if (state.sets[name]) return;
      state.sets[name] = { createdAt: now, rules: [] };
      changed();
    },
    rule: (set, name) => state.sets[set]?.rules.find(({ Name }) => Name === name),
    check,
    put(properties) {
      check(properties);
      const { rules } = setOf(properties.RuleSetName);
      const old = rules.findIndex(({ Name }) => Name === properties.Rule.Name);
      if (old >= 0) rules.splice(old, 1);
      rules.splice(rules.findIndex(({ Name }) => Name === properties.After) + 1, 0, properties.Rule);
      changed();
    },
    retain(names) {
      for (const [name, { rules }] of Object.entries(state.sets)) {
        const kept = rules.filter(({ Name }) => names.has(`${name}/${Name}`));
        rules.splice(0, rules.length, ...kept);
        if (!names.has(name)) delete state.sets[name];
      }
      if (state.active !== null && !state.sets[state.active]) state.active = null;
      changed();
    },
    setActive(name) {
      if (name !== null) setOf(name);
      state.active = name;
      changed();
    },
    active() {
      const name = state.active;
      return name === null ? null : { name, ...setOf(name) };
    },
    matching: (recipient) => index(recipient),
  };
}

/** The lookups of one recipient: rules by entry, so that ten thousand entries cost as much as one. */
function indexed(
  state: State,
  verifiedDomains: () => readonly string[],
): (recipient: string) => readonly ReceiptRule[] {
  const rules = (state.active === null ? [] : (state.sets[state.active]?.rules ?? [])).filter(
    ({ Enabled }) => Enabled === true,
  );
  const byEntry = new Map<string, Set<number>>();
  rules.forEach(({ Recipients }, position) => {
    const entries = Recipients?.length ? Recipients : verifiedDomains();
    for (const entry of entries) {
      const key = entryKey(entry);
      byEntry.set(key, (byEntry.get(key) ?? new Set()).add(position));
    }
  });
  return (recipient) => {
    const positions = new Set(keysOf(recipient).flatMap((key) => [...(byEntry.get(key) ?? [])]));
    return rules.filter((_rule, position) => positions.has(position));
  };
}

/**
 * The entries that match a recipient: itself, itself without its +label, its domain, and `.parent` for every parent
 * domain. Compared without regard to case, domains as A-labels. How SES treats the case of a local part is not
 * documented.
 */
function keysOf(recipient: string): readonly string[] {
  const at = recipient.lastIndexOf('@');
  if (at < 0) return [];
  const local = recipient.slice(0, at).toLowerCase();
  const domain = domainKey(recipient.slice(at + 1));
  const plus = local.indexOf('+');
  const labels = domain.split('.');
  return [
    `${local}@${domain}`,
    ...(plus > 0 ? [`${local.slice(0, plus)}@${domain}`] : []),
    domain,
    ...labels.slice(1).map((_label, n) => `.${labels.slice(n + 1).join('.')}`),
  ];
}
function entryKey(entry: string): string {
  const at = entry.lastIndexOf('@');
  const domain = entry.slice(at + 1);
  const key = domain.startsWith('.') ? `.${domainKey(domain.slice(1))}` : domainKey(domain);
  return at < 0 ? key : `${entry.slice(0, at).toLowerCase()}@${key}`;
}
const domainKey = (domain: string): string => domainToASCII(domain) || domain.toLowerCase();

function checkRule(rule: ReceiptRule): void {
  const { Actions: actions = [], Recipients: recipients = [] } = rule;
  refuseOthers('AWS::SES::ReceiptRule', rule, RULE_PROPERTIES);
  if (actions.length > ACTIONS_MAX) throw new AwsError('LimitExceeded', 400, `Too many actions: ${ACTIONS_MAX}`);
  if (recipients.length > RECIPIENTS_MAX)
    throw new AwsError('LimitExceeded', 400, `Too many recipients: ${RECIPIENTS_MAX}`);
  for (const entry of recipients) {
    if (!ENTRY.test(entry)) throw new AwsError('InvalidParameterValue', 400, `Invalid recipient: ${entry}`);
  }
  for (const action of actions) {
    for (const kind of Object.keys(action)) {
      if (kind !== 'S3Action' && kind !== 'StopAction')
        throw new AwsError('NotImplemented', 501, `the receipt action ${kind} is not emulated`);
    }
    if (action.S3Action) refuseOthers('S3Action', action.S3Action, S3_PROPERTIES);
  }
}
function refuseOthers(where: string, value: object, known: ReadonlySet<string>): void {
  const other = Object.keys(value).find((name) => !known.has(name));
  if (other) throw new AwsError('NotImplemented', 501, `${where}: the property ${other} is not emulated`);
}
