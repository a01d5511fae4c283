// Secrets Manager over HTTP, for given secrets, which can only be read, and for those that a template generated, which
// can be replaced. Opened by aws.ts. Every other operation is answered with NotImplemented and its name. It never logs
// a value.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readBody } from '../http/request-body.ts';
import { AwsError, type HttpCall, type HttpService, type World } from '../world.ts';
import type { MadeSecrets } from './generated.ts';

const BODY_BYTES_MAX = 65_536; // a request names one secret
const SERVICE_ERROR = 'com.amazonaws.secretsmanager#';

/**
 * Name to members, as in the file: {"everpost/exchange": {"username": "…", "password": "…"}}. A string stands as it is.
 */
export type Secrets = Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;

/** Reads a file of secrets. Throws with one line that names the mistake. */
export function readSecrets(path: string): Secrets {
  let content: unknown;
  let text: string;
  try {
    text = textOf(readFileSync(path));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    content = JSON.parse(text);
  } catch (error) {
    // the rest of the message would quote the secrets
    const [place = ''] = / \(line \d+ column \d+\)/.exec(String(error)) ?? [];
    throw new Error(`${path}: it is not JSON${place}`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new Error(`${path}: must be an object of secrets by name`);
  }
  for (const [name, value] of Object.entries(content)) {
    if (typeof value !== 'string' && (typeof value !== 'object' || value === null || Array.isArray(value))) {
      throw new Error(`${path}: ${JSON.stringify(name)} must be an object or a string`);
    }
  }
  return content as Secrets;
}

/** UTF-8, with a byte order mark or without; UTF-16 with one: editors of Windows write all of them. */
function textOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  return new TextDecoder(first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8').decode(bytes);
}

/**
 * A secret's ARN: its name, a hyphen and six characters, which here follow from the name so that a template can be
 * written.
 */
export function secretArn(world: Pick<World, 'account' | 'partition' | 'region'>, name: string): string {
  const suffix = createHash('sha256').update(name).digest('base64').replace(/[+/=]/g, '').slice(0, 6);
  return `arn:${world.partition}:secretsmanager:${world.region}:${world.account}:secret:${name}-${suffix}`;
}

/** `secrets` is asked at each call, so that a changed file can be seen. */
export function createSecretsManager(world: World, file: () => Secrets, made: MadeSecrets | null = null): HttpService {
  return {
    name: 'secretsmanager',
    async serve(call) {
      const operation = String(call.request.headers['x-amz-target'] ?? '').replace(/^secretsmanager\./, '');
      const body = await readBody(call.request, BODY_BYTES_MAX);
      if (operation === 'CreateSecret' && made !== null)
        return send(call, 200, await created(world, call, body, { file: file(), made }));
      const answer = ANSWERS[operation];
      if (!answer) throw new AwsError('NotImplemented', 501, `SecretsManager ${operation} is not emulated`);
      const request = parse(body);
      const all = secretsOf(file(), made);
      const name = resolve(world, [...all.keys()], request.SecretId);
      const result = await world.gate.pass(
        {
          service: 'secretsmanager',
          operation,
          target: name,
          principal: call.principal,
          access: [{ action: `secretsmanager:${operation}`, resource: secretArn(world, name) }],
          ...(call.kill ? { kill: call.kill } : {}),
        },
        async () => answer(world, name, all.get(name), { ...request, made }),
      );
      send(call, 200, result);
    },
    fail: (call, error) =>
      send(call, error.statusCode, { __type: SERVICE_ERROR + error.code, message: error.message, ...error.extra }),
  };
}

type Request = {
  readonly SecretId: string;
  readonly VersionStage?: unknown;
  readonly VersionId?: unknown;
  readonly SecretString?: unknown;
};

/** By name: the newest value, then the one before it. */
function secretsOf(file: Secrets, made: MadeSecrets | null): ReadonlyMap<string, readonly string[]> {
  const own = (made?.names() ?? []).map((name) => [name, made?.values(name) ?? []] as const);
  const given = Object.entries(file).map(
    ([name, secret]) => [name, [typeof secret === 'string' ? secret : JSON.stringify(secret)]] as const,
  );
  return new Map([...own, ...given]);
}

function parse(body: Buffer): Request {
  let request: unknown;
  try {
    request = JSON.parse(body.toString());
  } catch {
    throw new AwsError('SerializationException', 400, 'The request body is not JSON');
  }
  const { SecretId } = (request ?? {}) as { SecretId?: unknown };
  if (typeof SecretId !== 'string' || SecretId === '') {
    throw new AwsError('ValidationException', 400, 'SecretId must be a name or an ARN');
  }
  return request as Request;
}

/** The name behind a name, a whole ARN, or an ARN without its six characters. An unknown one stays as it is. */
function resolve(world: World, names: readonly string[], id: string): string {
  if (!id.startsWith('arn:')) return id;
  const found = names.find((name) => {
    const arn = secretArn(world, name);
    return arn === id || arn.slice(0, -7) === id;
  });
  return found ?? id.replace(/^.*:secret:/, '').replace(/-.{6}$/, '');
}

/** Its name and its first value; throws ResourceExistsException where there is one. */
async function created(
  world: World,
  call: HttpCall,
  body: Buffer,
  { file, made }: { readonly file: Secrets; readonly made: MadeSecrets },
): Promise<object> {
  const { Name, SecretString, ClientRequestToken: _, ...rest } = JSON.parse(body.toString()) as Record<string, unknown>;
  const [further] = Object.keys(rest);
  if (further !== undefined)
    throw new AwsError('NotImplemented', 501, `SecretsManager CreateSecret with ${further} is not emulated`);
  if (typeof Name !== 'string' || typeof SecretString !== 'string')
    throw new AwsError('InvalidParameterException', 400, 'You must provide Name and SecretString');
  const ARN = secretArn(world, Name);
  const access = [{ action: 'secretsmanager:CreateSecret', resource: ARN }];
  const { principal, kill } = call;
  const passed = { service: 'secretsmanager', operation: 'CreateSecret', target: Name, principal, access } as const;
  return world.gate.pass({ ...passed, ...(kill ? { kill } : {}) }, async () => {
    if (secretsOf(file, made).has(Name))
      throw new AwsError('ResourceExistsException', 400, `The operation failed because the secret ${Name} exists.`);
    made.put(Name, SecretString);
    return { ARN, Name, VersionId: known(world, Name, made.values(Name)).versionIds[0] };
  });
}

type Values = readonly string[] | undefined;
type Answer = (world: World, name: string, values: Values, request: Request & { made: MadeSecrets | null }) => unknown;

const ANSWERS: Readonly<Record<string, Answer | undefined>> = {
  GetSecretValue: value,
  DescribeSecret: description,
  PutSecretValue: put,
};
const STAGES = ['AWSCURRENT', 'AWSPREVIOUS'];

function value(world: World, name: string, values: Values, request: Request): unknown {
  const { ARN, versionIds } = known(world, name, values);
  const stage = request.VersionStage ?? 'AWSCURRENT';
  const index = STAGES.indexOf(String(stage));
  const versionId = versionIds[index];
  if (versionId === undefined || (request.VersionId !== undefined && request.VersionId !== versionId)) {
    throw new AwsError(
      'ResourceNotFoundException',
      400,
      `Secrets Manager can't find the specified secret value for staging label: ${String(stage)}`,
    );
  }
  const SecretString = values?.[index];
  return { ARN, Name: name, SecretString, VersionId: versionId, VersionStages: [stage], CreatedDate: 0 };
}

function description(world: World, name: string, values: Values): unknown {
  const { ARN, versionIds } = known(world, name, values);
  const stages = versionIds.map((versionId, index) => [versionId, [STAGES[index]]]);
  return { ARN, Name: name, VersionIdsToStages: Object.fromEntries(stages) };
}

/** The value that was current becomes the one before it. */
function put(world: World, name: string, values: Values, { SecretString, made }: Parameters<Answer>[3]): unknown {
  known(world, name, values);
  if (made === null || made.values(name) === undefined)
    throw new AwsError('NotImplemented', 501, 'SecretsManager PutSecretValue is not emulated for secrets of a file');
  if (typeof SecretString !== 'string' || SecretString === '')
    throw new AwsError('InvalidParameterException', 400, 'You must provide SecretString');
  made.put(name, SecretString);
  const { ARN, versionIds } = known(world, name, made.values(name));
  return { ARN, Name: name, VersionId: versionIds[0], VersionStages: ['AWSCURRENT'] };
}

/** The version follows from the value: a changed secret has another one, as a rotation would give it. */
function known(world: World, name: string, values: Values): { ARN: string; versionIds: readonly string[] } {
  if (values === undefined) {
    throw new AwsError('ResourceNotFoundException', 400, "Secrets Manager can't find the specified secret.");
  }
  const versionIds = values.map((text) => {
    const digest = createHash('sha256').update(JSON.stringify(text)).digest('hex');
    return digest.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  });
  return { ARN: secretArn(world, name), versionIds };
}

function send({ response, requestId }: HttpCall, status: number, answer: unknown): void {
  const body = Buffer.from(JSON.stringify(answer));
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': body.length,
    'x-amzn-requestid': requestId,
  });
  response.end(body);
}
