// IAM for one account: the policies of roles and resources, and the decision that AWS would make. Called by the gate.
// It records what was denied and what was used, so that a test can name a missing or an unused permission. It never
// falls back to "allow": what it does not know throws when the policy is read. Source: IAM user guide, "Policy
// evaluation logic" (one account, no boundaries, no session or organisation policies).

import type { Access, ConditionContext, Principal, ResourcePolicies } from '../world.ts';
import { type Condition, compileConditions, glob, record, strings } from './conditions.ts';

export type Decision =
  | { readonly kind: 'allowed'; readonly grant: string }
  | { readonly kind: 'denied'; readonly message: string };
export type Denial = { readonly principal: string; readonly action: string; readonly resource: string };
/** A decision with everything that it was made from: for a second opinion. */
export type Judged = {
  readonly principal: Principal;
  readonly access: Access;
  /** The whole context of the request, not that of `access` alone. */
  readonly context: ConditionContext;
  readonly identityPolicies: readonly unknown[];
  readonly resourcePolicies: readonly unknown[];
  readonly allowed: boolean;
};
/** One grant that was needed at least once: `grant` names the statement, `resource` is the first one asked for. */
export type UsedPermission = Denial & { readonly grant: string };

export type Iam = {
  /** Sets a role's identity policies (resolved documents). Throws on an element that is not emulated. */
  setRole(roleArn: string, documents: readonly unknown[]): void;
  /** Keeps a managed policy, which roles name by its ARN. Throws on an element that is not emulated. */
  setManagedPolicy(arn: string, document: unknown): void;
  /** Null where there is none. */
  managedPolicy(arn: string): unknown;
  /** Adds a source of resource policies; every one of them is asked. */
  addResourcePolicies(policies: ResourcePolicies): void;
  /** Policies that hold only while a resource has none of its own: a topic's default one. */
  addDefaultPolicies(policies: ResourcePolicies): void;
  /** Decides and records. */
  authorize(principal: Principal, access: Access): Decision;
  /** Calls `listener` at each decision from now on, but those about root. */
  observe(listener: (judged: Judged) => void): void;
  /** Decides; records a use but no denial. */
  may(principal: Principal, access: Access): boolean;
  denials(): readonly Denial[];
  used(): readonly UsedPermission[];
  /** Reads a resource's policy when it is attached, and throws the error of its first use. */
  checkResourcePolicy(document: unknown): void;
};

type Statement = {
  readonly name: string;
  readonly effect: 'Allow' | 'Deny';
  readonly principals: ((principal: Principal, effect: 'Allow' | 'Deny') => boolean) | null;
  readonly action: (action: string) => boolean;
  readonly resource: (resource: string) => boolean;
  readonly condition: Condition;
};

/** Denials kept in memory: a function that retries a denied call for days must not fill it. */
const denialsMax = 10_000;

export function createIam(account: string): Iam {
  const roles = new Map<string, readonly Statement[]>();
  const documents = new Map<string, readonly unknown[]>();
  const listeners: ((judged: Judged) => void)[] = [];
  const managed = new Map<string, unknown>();
  const sources: ResourcePolicies[] = [];
  const defaults: ResourcePolicies[] = [];
  const compiled = new WeakMap<object, readonly Statement[]>();
  const denied: Denial[] = [];
  const usedGrants = new Map<string, UsedPermission>();

  return {
    setRole(roleArn, given) {
      const name = roleArn.slice(roleArn.lastIndexOf('/') + 1);
      roles.set(
        roleArn,
        given.flatMap((document, i) => compile(document, `${name}[${i}]`, account, 'identity')),
      );
      documents.set(roleArn, given);
    },
    setManagedPolicy(arn, document) {
      compile(document, arn, account, 'identity');
      managed.set(arn, document);
    },
    managedPolicy: (arn) => managed.get(arn) ?? null,
    addResourcePolicies(policies) {
      sources.push(policies);
    },
    addDefaultPolicies(policies) {
      defaults.push(policies);
    },
    authorize(principal, access) {
      const decision = decide(principal, access);
      if (decision.kind === 'allowed') use(principal, access, decision.grant);
      else if (denied.length < denialsMax) denied.push(entry(principal, access));
      return decision;
    },
    may(principal, access) {
      const decision = decide(principal, access);
      if (decision.kind === 'allowed') use(principal, access, decision.grant);
      return decision.kind === 'allowed';
    },
    observe: (listener) => void listeners.push(listener),
    denials: () => [...denied],
    used: () => [...usedGrants.values()],
    checkResourcePolicy(document) {
      compile(document, 'policy', account, 'resource');
    },
  };

  function decide(principal: Principal, access: Access): Decision {
    if (principal.kind === 'root') return { kind: 'allowed', grant: 'root' };
    const context = contextOf(principal, access, account);
    const decision = judge(principal, access, context);
    const identityPolicies = principal.kind === 'role' ? (documents.get(principal.arn) ?? []) : [];
    const allowed = decision.kind === 'allowed';
    for (const listener of listeners)
      listener({
        principal,
        access,
        context,
        identityPolicies,
        resourcePolicies: resourceDocuments(access.resource),
        allowed,
      });
    return decision;
  }

  function judge(principal: Principal, access: Access, context: ConditionContext): Decision {
    const identity = principal.kind === 'role' ? (roles.get(principal.arn) ?? []) : [];
    const resource = resourceStatements(access.resource);
    const matching = (statements: readonly Statement[], effect: 'Allow' | 'Deny') =>
      statements.find((statement) => applies(statement, effect, principal, access, context));

    if (matching(identity, 'Deny'))
      return refusal(principal, access, 'with an explicit deny in an identity-based policy');
    if (matching(resource, 'Deny'))
      return refusal(principal, access, 'with an explicit deny in a resource-based policy');
    const grant = matching(identity, 'Allow') ?? matching(resource, 'Allow');
    if (grant !== undefined) return { kind: 'allowed', grant: grant.name };
    const missing = principal.kind === 'role' ? 'identity-based' : 'resource-based';
    return refusal(principal, access, `because no ${missing} policy allows the ${access.action} action`);
  }

  function resourceStatements(resource: string): readonly Statement[] {
    return resourceDocuments(resource).flatMap((document) => statementsOf(document, resource));
  }

  function resourceDocuments(resource: string): readonly unknown[] {
    const documentsOf = (asked: readonly ResourcePolicies[]) =>
      asked
        .map((policies) => policies(resource))
        .filter((document) => typeof document === 'object' && document !== null);
    const own = documentsOf(sources);
    return own.length > 0 ? own : documentsOf(defaults);
  }

  function statementsOf(document: unknown, resource: string): readonly Statement[] {
    if (typeof document !== 'object' || document === null) return [];
    const known = compiled.get(document);
    if (known !== undefined) return known;
    const statements = compile(document, `policy of ${resource}`, account, 'resource');
    compiled.set(document, statements);
    return statements;
  }

  function refusal(principal: Principal, access: Access, because: string): Decision {
    const message = `User: ${callerArn(principal, account)} is not authorized to perform: ${access.action} on resource: ${access.resource} ${because}`;
    return { kind: 'denied', message };
  }

  function use(principal: Principal, access: Access, grant: string): void {
    const key = `${callerArn(principal, account)}\n${access.action}\n${grant}`;
    if (!usedGrants.has(key)) usedGrants.set(key, { ...entry(principal, access), grant });
  }

  function entry(principal: Principal, access: Access): Denial {
    return { principal: callerArn(principal, account), action: access.action, resource: access.resource };
  }
}

/** How AWS names the caller in a message: a role by its session, a service by its name. */
export function callerArn(principal: Principal, account: string): string {
  if (principal.kind === 'root') return `arn:aws:iam::${account}:root`;
  if (principal.kind === 'service') return principal.name;
  const role = principal.arn.slice(principal.arn.lastIndexOf('/') + 1);
  return `arn:aws:sts::${account}:assumed-role/${role}/${principal.functionName ?? 'session'}`;
}

function contextOf(principal: Principal, access: Access, account: string): ConditionContext {
  // Loopback stands in for AWS's TLS endpoints: a policy that insists on TLS is met.
  // Every resource here is this account's.
  const global: Record<string, string> = { 'aws:securetransport': 'true', 'aws:resourceaccount': account };
  if (principal.kind === 'role')
    Object.assign(global, { 'aws:principalarn': principal.arn, 'aws:principalaccount': account });
  if (principal.kind === 'service') {
    Object.assign(global, { 'aws:principalisawsservice': 'true', 'aws:principalservicename': principal.name });
  } else global['aws:principalisawsservice'] = 'false';
  return { ...global, ...access.context };
}

function applies(
  statement: Statement,
  effect: 'Allow' | 'Deny',
  principal: Principal,
  access: Access,
  context: ConditionContext,
): boolean {
  return (
    statement.effect === effect &&
    statement.action(access.action) &&
    statement.resource(access.resource) &&
    (statement.principals === null || statement.principals(principal, effect)) &&
    statement.condition(context)
  );
}

type PolicyKind = 'identity' | 'resource';

function compile(document: unknown, name: string, account: string, kind: PolicyKind): readonly Statement[] {
  const { Version: _version, Id: _id, Statement: body, ...others } = record(document, name);
  refuseStrangers(others, name);
  const statements: readonly unknown[] = Array.isArray(body) ? body : [body];
  return statements.map((statement, i) => compileStatement(statement, `${name}.Statement[${i}]`, account, kind));
}

function compileStatement(statement: unknown, place: string, account: string, kind: PolicyKind): Statement {
  const { Sid, Effect, Principal, Action, NotAction, Resource, NotResource, Condition, ...others } = record(
    statement,
    place,
  );
  refuseStrangers(others, place);
  if (Effect !== 'Allow' && Effect !== 'Deny') throw new Error(`${place}: Effect is neither Allow nor Deny`);
  if ((Principal === undefined) !== (kind === 'identity')) {
    throw new Error(`${place}: a resource's policy names a Principal, a role's policy never does`);
  }
  const lower = (text: string) => text.toLowerCase();
  const action = anyOf(Action ?? NotAction, `${place}.Action`, lower);
  const resource = anyOf(Resource ?? NotResource, `${place}.Resource`, (text) => text);
  return {
    name: typeof Sid === 'string' && Sid !== '' ? `${place} (${Sid})` : place,
    effect: Effect,
    principals: Principal === undefined ? null : compilePrincipal(Principal, place, account),
    action: Action === undefined ? (text) => !action(text) : action,
    resource: Resource === undefined ? (text) => !resource(text) : resource,
    condition: compileConditions(Condition),
  };
}

function anyOf(value: unknown, place: string, fold: (text: string) => string): (text: string) => boolean {
  if (value === undefined) throw new Error(`${place} is missing`);
  const patterns = strings(value, place).map((pattern) => glob(fold(pattern)));
  return (text) => patterns.some((matches) => matches(fold(text)));
}

/**
 * The account named as principal only delegates to its identity policies: an Allow for it gives a role nothing by
 * itself, a Deny for it reaches every role.
 */
function compilePrincipal(value: unknown, place: string, account: string): NonNullable<Statement['principals']> {
  if (value === '*') return () => true;
  const { AWS = [], Service = [], ...others } = record(value, `${place}.Principal`);
  refuseStrangers(others, `${place}.Principal`);
  const aws = strings(AWS, `${place}.Principal.AWS`);
  const services = strings(Service, `${place}.Principal.Service`);
  const accountNames = [account, `arn:aws:iam::${account}:root`];
  return (principal, effect) => {
    if (aws.includes('*')) return true;
    if (principal.kind === 'service') return services.includes(principal.name);
    if (principal.kind === 'root') return aws.some((name) => accountNames.includes(name));
    if (aws.includes(principal.arn) || aws.includes(callerArn(principal, account))) return true;
    return effect === 'Deny' && aws.some((name) => accountNames.includes(name));
  };
}

function refuseStrangers(others: Readonly<Record<string, unknown>>, place: string): void {
  const stranger = Object.keys(others)[0];
  if (stranger !== undefined) throw new Error(`${place}: "${stranger}" is not emulated`);
}
