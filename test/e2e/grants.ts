// Every permission that a synthesised template gives, one by one: found by walking the template, never from a list.
// Each can be taken out alone, and what was denied then is said in one line. What has no effect on this machine is
// known by rule, with the reason.

import type { Json, ResourceDefinition, Template } from '#aws-local/cloudformation/template.ts';
import type { Denial, UsedPermission } from '#aws-local/iam/iam.ts';

export type Grant = {
  /** Stands as the statement's Sid, so that the runtime names it when it is used. */
  readonly id: string;
  /** The resource of the template in which the policy stands. */
  readonly logicalId: string;
  readonly action: string;
  /** As the template has it, with its intrinsics. */
  readonly resource: Json;
  /** The service to which a resource's policy gives it; null where it is a role's own. */
  readonly service: string | null;
};

type Statement = { readonly [key: string]: Json };

/**
 * The same permissions, each in a statement of its own, and the list of them. Statements that deny stay as they are.
 */
export function takenApart(template: Template): { readonly template: Template; readonly grants: readonly Grant[] } {
  const grants: Grant[] = [];
  const Resources = Object.fromEntries(
    Object.entries(template.Resources).map(([logicalId, definition]) => {
      // Of people, whom no stage is: test/integration/cli/operators.test.ts takes each of these away.
      if (/^Operators(?:Reader|Operator)/.test(logicalId)) return [logicalId, definition];
      if (definition.Type === 'AWS::Lambda::Permission') {
        grants.push(permission(logicalId, definition));
        return [logicalId, definition];
      }
      const apart = (statement: Statement) => single(statement, logicalId, grants);
      return [logicalId, { ...definition, Properties: inPolicies(definition.Properties ?? {}, apart) }];
    }),
  );
  return { template: { ...template, Resources } as Template, grants };
}

/** The template without one grant. */
export function without(template: Template, { id, logicalId }: Grant): Template {
  const definition = template.Resources[logicalId];
  if (definition === undefined) throw new Error(`the template has no ${logicalId}`);
  const { [logicalId]: _, ...others } = template.Resources;
  if (definition.Type === 'AWS::Lambda::Permission') return { ...template, Resources: withoutOrder(others, logicalId) };
  const left = (statement: Statement) => (statement.Sid === id ? [] : [statement]);
  const changed = { ...definition, Properties: inPolicies(definition.Properties ?? {}, left) } as ResourceDefinition;
  return { ...template, Resources: { ...others, [logicalId]: changed } };
}

/** The resources, none of which waits for that one any more. */
function withoutOrder(resources: Template['Resources'], logicalId: string): Template['Resources'] {
  const entries = Object.entries(resources).map(([id, definition]) => {
    const { DependsOn } = definition;
    if (DependsOn === undefined) return [id, definition];
    return [id, { ...definition, DependsOn: [DependsOn].flat().filter((each) => each !== logicalId) }];
  });
  return Object.fromEntries(entries);
}

/** Why a grant has no effect on this machine, or null where it has: there the errand must need it. */
export function withoutEffectHere(grant: Grant, identities: readonly string[]): string | null {
  if (grant.action.startsWith('logs:'))
    return 'the Lambda host takes what functions print from their standard output; no CloudWatch Logs stands behind it';
  const [, address] = /:identity\/([^*"]+@[^*"]+)"/.exec(JSON.stringify(grant.resource)) ?? [];
  if (address !== undefined && !identities.includes(address))
    return 'SES knows no identity of that address here, and asks for the permission on that of its domain';
  return null;
}

export function isUse(grant: Grant, used: UsedPermission): boolean {
  if (used.grant.endsWith(`(${grant.id})`)) return true;
  // A Lambda permission has no Sid: it is the one on that function.
  const [functionId] = (grant.resource as { readonly 'Fn::GetAtt'?: readonly string[] } | null)?.['Fn::GetAtt'] ?? [];
  const onFunction = functionId !== undefined && used.resource.includes(functionId) && used.grant.includes(':lambda:');
  return grant.id === grant.logicalId && used.action === grant.action && onFunction;
}

/** `relay role lacks s3:GetObject on arn:aws:s3:::…`, each once. */
export function lacks(denied: readonly Denial[]): string[] {
  return [...new Set(denied.map((it) => `${holder(it.principal)} lacks ${it.action} on ${it.resource}`))];
}

/** The same line out of AWS's words for a refusal, where a message has them; else the message. */
export function lackIn(message: string): string {
  const [, principal, action, resource] =
    /User: (\S+) is not authorized to perform: (\S+) on resource: (\S+)/.exec(message) ?? [];
  if (principal === undefined || action === undefined || resource === undefined) return message;
  return lacks([{ principal, action, resource }]).join();
}

/** `relay role` for the principal `arn:aws:sts::…:assumed-role/Everpost-RelayRoleDB2B1DF8/…`. */
function holder(principal: string): string {
  const role = /:assumed-role\/[^-/]+-(\w+?)Role[0-9A-F]{8}\//.exec(principal)?.[1];
  return role === undefined ? principal : `${inWords(role)} role`;
}

/** Who holds it, in the same words. */
export function holderOf(grant: Grant): string {
  return grant.service ?? `${inWords(grant.logicalId.replace(/(?:Role)?[0-9A-F]{8}$/, ''))} role`;
}

function inWords(name: string): string {
  return name.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter}`).toLowerCase();
}

/**
 * Walks to every policy document; who may assume a role is none of them: the template's own tests hold that to Lambda
 * alone.
 */
function inPolicies(value: Json, change: (statement: Statement) => readonly Statement[]): Json {
  if (Array.isArray(value)) return value.map((it) => inPolicies(it as Json, change));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key === 'AssumeRolePolicyDocument') return [key, inner];
      if (key === 'Statement') return [key, each<Statement>(inner as Json).flatMap(change)];
      return [key, inPolicies(inner as Json, change)];
    }),
  );
}

function single(statement: Statement, logicalId: string, grants: Grant[]): readonly Statement[] {
  if (statement.Effect !== 'Allow') return [statement];
  if (statement.Action === undefined || statement.Resource === undefined)
    throw new Error(`${logicalId}: a statement without Action or Resource cannot be taken apart`);
  const actions = each<string>(statement.Action);
  const pairs = actions.flatMap((action) => each<Json>(statement.Resource ?? []).map((on) => [action, on] as const));
  return pairs.map(([action, resource]) => {
    const id = `Grant${grants.length}`;
    grants.push({ id, logicalId, action, resource, service: serviceOf(statement) });
    return { ...statement, Sid: id, Action: action, Resource: resource };
  });
}

function permission(logicalId: string, { Properties = {} }: ResourceDefinition): Grant {
  const { Action, FunctionName = null, Principal } = Properties;
  return { id: logicalId, logicalId, action: String(Action), resource: FunctionName, service: String(Principal) };
}

function serviceOf({ Principal }: Statement): string | null {
  if (Principal === undefined) return null;
  const { Service } = Principal as { readonly Service?: Json };
  if (typeof Service !== 'string') throw new Error(`a principal that is no service: ${JSON.stringify(Principal)}`);
  return Service;
}

function each<T>(value: Json): readonly T[] {
  return (Array.isArray(value) ? value : [value]) as readonly T[];
}
